//! iOS and macOS: signs of a jailbreak, of the simulator, and of tools. The lists are from the public documentation of `IOSSecuritySuite` and
//! of the jailbreaks themselves. They were replayed and reviewed, and have never run on a device.

use super::{Pace, Probe};
use crate::{
    finding::{Family, Finding},
    world::{System, World},
};

const PLACES: [&str; 40] = [
    "/var/jb",
    "/private/var/jb",
    "/var/jb/usr/bin/su",
    "/Applications/Cydia.app",
    "/Applications/Sileo.app",
    "/Applications/Zebra.app",
    "/Applications/Filza.app",
    "/Applications/Dopamine.app",
    "/Applications/FakeCarrier.app",
    "/Applications/blackra1n.app",
    "/Applications/Icy.app",
    "/Applications/SBSettings.app",
    "/var/jb/Applications/Sileo.app",
    "/var/jb/usr/lib/libellekit.dylib",
    "/usr/lib/libellekit.dylib",
    "/usr/lib/TweakInject",
    "/Library/MobileSubstrate/MobileSubstrate.dylib",
    "/Library/MobileSubstrate/DynamicLibraries",
    "/usr/lib/libsubstitute.dylib",
    "/usr/lib/substrate",
    "/usr/libexec/cydia",
    "/private/var/lib/cydia",
    "/private/var/lib/apt",
    "/private/var/stash",
    "/private/var/binpack",
    "/private/etc/apt",
    "/etc/apt/sources.list.d/sileo.sources",
    "/private/var/mobile/Library/SBSettings/Themes",
    "/bin/bash",
    "/usr/sbin/sshd",
    "/usr/libexec/sftp-server",
    "/usr/bin/sshd",
    "/usr/bin/ssh",
    "/jb/lzma",
    "/jb/offsets.plist",
    "/.bootstrapped_electra",
    "/.installed_unc0ver",
    "/cores/binpack",
    "/usr/lib/libjailbreak.dylib",
    "/private/preboot/jb",
];
/// Folders where an app in its sandbox can make nothing.
const OUTSIDE: [&str; 4] = ["/private/", "/", "/root/", "/private/jailbreak/"];
/// Where the names of folders of hidden jailbreaks begin.
const HIDDEN: [(&str, &str); 3] = [
    ("/var", ".jbroot-"),
    ("/private/var/containers/Bundle/Application", ".jbroot-"),
    ("/private/preboot", "jb-"),
];
/// Parts of the names of libraries that jailbreaks and tools load into apps. They are evidence besides the place that a library is from.
const IMAGES: [&str; 14] = [
    "MobileSubstrate",
    "SubstrateLoader",
    "TweakInject",
    "libhooker",
    "ellekit",
    "substitute",
    "Substitute",
    "SSLKillSwitch",
    "FridaGadget",
    "frida-agent",
    "cynject",
    "libcycript",
    "systemhook",
    "roothideinit",
];
/// Where libraries of the system and of an app are.
const LIBRARY_FOLDERS: [&str; 5] = [
    "/usr/lib/",
    "/System/",
    "/private/var/containers/Bundle/Application/",
    "/var/containers/Bundle/Application/",
    "/private/preboot/Cryptexes/",
];
/// Where tools wait for whoever steers them: Frida, a debugger's server, remote shells.
const PORTS: [(u16, &str); 4] = [
    (27042, "Frida"),
    (4444, "Needle"),
    (22, "OpenSSH"),
    (44, "checkra1n"),
];

/// Whether the device is jailbroken.
#[derive(Debug)]
pub struct AppleRoot;

impl Probe for AppleRoot {
    fn look(&mut self, world: &dyn World, found: &mut Vec<Finding>) {
        let mut say =
            |check, evidence: &str| found.push(Finding::new(Family::Root, check, evidence));
        for place in PLACES {
            if world.status(place).is_some() || world.can_open(place) {
                say("place", &format!("{place} is there"));
            }
        }
        for (folder, beginning) in HIDDEN {
            for name in world.list(folder).unwrap_or_default() {
                if name.starts_with(beginning) {
                    say("place", &format!("{folder}/{name} is there"));
                }
            }
        }
        for folder in OUTSIDE {
            if world.can_write(folder) {
                say("sandbox", &format!("the app can write to {folder}"));
            }
        }
        if world.can_fork() {
            say("sandbox", "the app can start another process");
        }
        if world.root_is_writable() {
            say("mount", "the root file system can be written to");
        }
    }

    fn pace(&self) -> Pace {
        Pace::Seldom
    }
}

/// Whether the app runs in Apple's simulator.
#[derive(Debug)]
pub struct AppleEmulator;

impl Probe for AppleEmulator {
    fn look(&mut self, world: &dyn World, found: &mut Vec<Finding>) {
        for name in ["SIMULATOR_DEVICE_NAME", "SIMULATOR_UDID", "SIMULATOR_ROOT"] {
            if let Some(value) = world.environment(name) {
                found.push(Finding::new(
                    Family::Emulator,
                    "simulator",
                    &format!("{name} is {value}"),
                ));
            }
        }
    }

    fn pace(&self) -> Pace {
        Pace::Seldom
    }
}

/// Whether something was loaded into the app, or waits on the device to be.
#[derive(Debug)]
pub struct AppleTools;

impl Probe for AppleTools {
    fn look(&mut self, world: &dyn World, found: &mut Vec<Finding>) {
        let mut say =
            |check, evidence: &str| found.push(Finding::new(Family::Tools, check, evidence));
        let phone = world.system() == System::Ios;
        let program = world.program().unwrap_or_default();
        let own = program
            .rsplit_once('/')
            .map(|(folder, _)| folder.to_owned())
            .unwrap_or_default();
        for image in world.images() {
            if let Some(name) = IMAGES.iter().find(|name| image.contains(**name)) {
                say("image", &format!("{image} is loaded ({name})"));
            } else if !(LIBRARY_FOLDERS
                .iter()
                .any(|folder| image.starts_with(folder))
                || (!own.is_empty() && image.starts_with(&own)))
            {
                say(
                    "image",
                    &format!("a library from outside the system's and the app's folders: {image}"),
                );
            }
        }
        if world.environment("DYLD_INSERT_LIBRARIES").is_some() {
            say("preload", "DYLD_INSERT_LIBRARIES was set");
        }
        if phone {
            for (port, whose) in PORTS {
                if world.port_answers(port) {
                    say(
                        "port",
                        &format!("something answers on port {port}, as {whose} does"),
                    );
                }
            }
        }
    }

    fn pace(&self) -> Pace {
        Pace::Seldom
    }
}
