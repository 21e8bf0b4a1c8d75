//! Android: signs of root and of emulators. The lists are from the public documentation of `RootBeer`, Magisk, `KernelSU` and the Android
//! emulator; docs/guard.md says which item is from where.

use super::{Pace, Probe};
use crate::{
    finding::{Family, Finding},
    parse::mounts,
    world::{Reading, World},
};

const FOLDERS: [&str; 17] = [
    "/data/local/",
    "/data/local/bin/",
    "/data/local/xbin/",
    "/data/local/tmp/",
    "/sbin/",
    "/su/bin/",
    "/system/bin/",
    "/system/xbin/",
    "/system/bin/.ext/",
    "/system/bin/failsafe/",
    "/system/sd/xbin/",
    "/system/usr/we-need-root/",
    "/vendor/bin/",
    "/cache/",
    "/data/",
    "/dev/",
    "/debug_ramdisk/",
];
const PROGRAMS: [&str; 7] = [
    "su",
    "magisk",
    "magisk32",
    "magisk64",
    "magiskpolicy",
    "busybox",
    "ksud",
];
const PLACES: [&str; 19] = [
    "/system/app/Superuser.apk",
    "/system/app/SuperSU.apk",
    "/system/xbin/daemonsu",
    "/system/etc/init.d/99SuperSUDaemon",
    "/data/adb/magisk",
    "/data/adb/modules",
    "/data/adb/ksu",
    "/data/adb/ap",
    "/data/adb/ksud",
    "/sbin/.magisk",
    "/debug_ramdisk/.magisk",
    "/dev/.magisk.unblock",
    "/cache/magisk.log",
    "/data/data/com.topjohnwu.magisk",
    "/data/data/me.weishu.kernelsu",
    "/data/data/eu.chainfire.supersu",
    "/data/data/com.koushikdutta.superuser",
    "/system/lib/libxposed_art.so",
    "/system/framework/XposedBridge.jar",
];
/// Parts of the system that no stock device can write to.
const READ_ONLY: [&str; 9] = [
    "/system",
    "/system/bin",
    "/system/xbin",
    "/vendor",
    "/vendor/bin",
    "/sbin",
    "/etc",
    "/product",
    "/system_ext",
];
/// The file system that root managers put over parts of the system, so that what they add is gone after a restart.
const OVERLAYS: [&str; 2] = ["tmpfs", "overlay"];
/// Sources of mounts that only root managers make.
const MANAGERS: [&str; 5] = ["magisk", "KSU", "APatch", "worker", "zygisk"];

/// Whether the device is rooted.
#[derive(Debug)]
pub struct AndroidRoot;

impl Probe for AndroidRoot {
    fn look(&mut self, world: &dyn World, found: &mut Vec<Finding>) {
        let mut say =
            |check, evidence: &str| found.push(Finding::new(Family::Root, check, evidence));
        let path = world.environment("PATH").unwrap_or_default();
        let of_path = path
            .split(':')
            .filter(|folder| folder.starts_with('/'))
            .map(|folder| format!("{}/", folder.trim_end_matches('/')));
        let mut folders: Vec<String> = FOLDERS
            .iter()
            .map(|folder| (*folder).to_owned())
            .chain(of_path)
            .collect();
        folders.sort_unstable();
        folders.dedup();
        for folder in folders {
            for program in PROGRAMS {
                let path = format!("{folder}{program}");
                // Some of those who hide files answer one of the two and forget the other.
                if world.status(&path).is_some() || world.can_open(&path) {
                    say("program", &format!("{path} is there"));
                }
            }
        }
        for place in PLACES {
            if world.status(place).is_some() || world.can_open(place) {
                say("place", &format!("{place} is there"));
            }
        }
        if let Reading::Found(text) = world.process("mountinfo") {
            for mount in mounts::parse(&text) {
                let covered = READ_ONLY.iter().any(|folder| {
                    mount.point == *folder
                        || mount
                            .point
                            .strip_prefix(folder)
                            .is_some_and(|rest| rest.starts_with('/'))
                });
                if covered && mount.writable && mount.kind != "tmpfs" {
                    say("mount", &format!("{} can be written to", mount.point));
                }
                if covered && OVERLAYS.contains(&mount.kind.as_str()) {
                    say(
                        "mount",
                        &format!(
                            "{} is covered by a {} of {}",
                            mount.point, mount.kind, mount.source
                        ),
                    );
                }
                if MANAGERS.contains(&mount.source.as_str())
                    || mount.root.starts_with("/adb/modules")
                    || mount.point.contains("/.magisk")
                {
                    say(
                        "mount",
                        &format!("{} comes from {} {}", mount.point, mount.source, mount.root),
                    );
                }
            }
        }
        let property = |name: &str| world.property(name).unwrap_or_default();
        if property("ro.build.tags").contains("test-keys") {
            say("property", "the system was signed with test keys");
        }
        if property("ro.debuggable") == "1" {
            say("property", "every app can be debugged (ro.debuggable=1)");
        }
        if property("ro.secure") == "0" {
            say("property", "the debug bridge runs as root (ro.secure=0)");
        }
        let verified = property("ro.boot.verifiedbootstate");
        if !matches!(verified.as_str(), "" | "green" | "yellow") {
            say(
                "property",
                &format!("the system that started wasn't verified ({verified})"),
            );
        }
        if property("ro.boot.flash.locked") == "0"
            || property("ro.boot.vbmeta.device_state") == "unlocked"
        {
            say("property", "the boot loader is unlocked");
        }
        if property("ro.dalvik.vm.native.bridge").contains("riru")
            || property("ro.zygote.preload").contains("zygisk")
        {
            say("property", "something is loaded into every app");
        }
    }

    fn pace(&self) -> Pace {
        Pace::Seldom
    }
}

/// Properties of emulators: name, part of the value, and what it means.
const SIGNS: [(&str, &str); 22] = [
    ("ro.kernel.qemu", "1"),
    ("ro.boot.qemu", "1"),
    ("ro.hardware", "goldfish"),
    ("ro.hardware", "ranchu"),
    ("ro.hardware", "vbox86"),
    ("ro.hardware", "nox"),
    ("ro.hardware", "ttVM"),
    ("ro.hardware", "cutf"),
    ("ro.product.board", "goldfish"),
    ("ro.product.model", "sdk_gphone"),
    ("ro.product.model", "Android SDK built for"),
    ("ro.product.model", "Emulator"),
    ("ro.product.device", "generic_x86"),
    ("ro.product.device", "emu64"),
    ("ro.product.device", "vbox86p"),
    ("ro.product.manufacturer", "Genymotion"),
    ("ro.product.name", "sdk_gphone"),
    ("ro.product.name", "vbox86p"),
    ("ro.build.fingerprint", "generic"),
    ("ro.build.fingerprint", "sdk_gphone"),
    ("ro.build.flavor", "vbox86"),
    ("ro.bootimage.build.fingerprint", "generic"),
];
const DEVICES: [&str; 14] = [
    "/dev/qemu_pipe",
    "/dev/goldfish_pipe",
    "/dev/goldfish_sync",
    "/dev/socket/qemud",
    "/dev/socket/genyd",
    "/dev/socket/baseband_genyd",
    "/system/lib/libc_malloc_debug_qemu.so",
    "/system/bin/qemu-props",
    "/sys/qemu_trace",
    "/system/bin/androVM-prop",
    "/system/lib/libdroid4x.so",
    "/system/bin/nox-prop",
    "/dev/vboxguest",
    "/data/misc/emulator/version.txt",
];

/// Whether the device is an emulator.
#[derive(Debug)]
pub struct AndroidEmulator;

impl Probe for AndroidEmulator {
    fn look(&mut self, world: &dyn World, found: &mut Vec<Finding>) {
        let mut say =
            |check, evidence: &str| found.push(Finding::new(Family::Emulator, check, evidence));
        for (name, sign) in SIGNS {
            if let Some(value) = world.property(name)
                && value.to_lowercase().contains(&sign.to_lowercase())
            {
                say("property", &format!("{name} is {value}"));
            }
        }
        for device in DEVICES {
            if world.status(device).is_some() {
                say("device", &format!("{device} is there"));
            }
        }
        let processor = world.read("/proc/cpuinfo").text().unwrap_or_default();
        if processor.contains("Goldfish")
            || processor.contains("ranchu")
            || processor
                .split_whitespace()
                .any(|word| word == "hypervisor")
        {
            say("processor", "the processor is an emulator's");
        }
        let drivers = world.read("/proc/tty/drivers").text().unwrap_or_default();
        if drivers.contains("goldfish") {
            say("device", "the serial line is the emulator's");
        }
    }

    fn pace(&self) -> Pace {
        Pace::Seldom
    }
}
