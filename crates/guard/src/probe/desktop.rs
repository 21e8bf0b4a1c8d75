//! Desktops and servers with Linux: whether the app acts as root, and whether the machine is a virtual one. Both are ordinary there, and
//! reported.

use super::{Pace, Probe};
use crate::{
    finding::{Family, Finding},
    world::World,
};

/// What firmware says of itself, in files, and what makers of virtual machines write there.
const FIRMWARE: [&str; 5] = [
    "sys_vendor",
    "product_name",
    "board_vendor",
    "bios_vendor",
    "chassis_vendor",
];
const MAKERS: [&str; 17] = [
    "QEMU",
    "KVM",
    "VMware",
    "VirtualBox",
    "innotek",
    "Xen",
    "Parallels",
    "bhyve",
    "Bochs",
    "Virtual Machine",
    "Amazon EC2",
    "Google Compute Engine",
    "OpenStack",
    "DigitalOcean",
    "Hetzner",
    "Firecracker",
    "Cloud Hypervisor",
];
/// Files and folders that only virtual machines have.
const PLACES: [&str; 6] = [
    "/proc/xen",
    "/sys/hypervisor/type",
    "/sys/bus/vmbus/devices",
    "/dev/vboxguest",
    "/dev/vmci",
    "/sys/firmware/qemu_fw_cfg",
];

/// Whether the app has the rights that a user shouldn't give it.
#[derive(Debug)]
pub struct DesktopRoot;

impl Probe for DesktopRoot {
    fn look(&mut self, world: &dyn World, found: &mut Vec<Finding>) {
        if world.user() == 0 {
            found.push(Finding::new(Family::Root, "user", "the app runs as root"));
        }
    }

    fn pace(&self) -> Pace {
        Pace::Seldom
    }
}

/// Whether the machine is a virtual one.
#[derive(Debug)]
pub struct DesktopVirtual;

impl Probe for DesktopVirtual {
    fn look(&mut self, world: &dyn World, found: &mut Vec<Finding>) {
        let mut say =
            |check, evidence: &str| found.push(Finding::new(Family::Emulator, check, evidence));
        for file in FIRMWARE {
            let Some(text) = world.read(&format!("/sys/class/dmi/id/{file}")).text() else {
                continue;
            };
            if let Some(maker) = MAKERS.iter().find(|maker| text.contains(**maker)) {
                say(
                    "firmware",
                    &format!("{file} is {}, as {maker} writes it", text.trim()),
                );
            }
        }
        for place in PLACES {
            if world.status(place).is_some() {
                say("device", &format!("{place} is there"));
            }
        }
        let processor = world.read("/proc/cpuinfo").text().unwrap_or_default();
        let flags = processor.lines().find(|line| line.starts_with("flags"));
        if flags.is_some_and(|flags| flags.split_whitespace().any(|flag| flag == "hypervisor")) {
            say(
                "processor",
                "the processor says that a hypervisor is above it",
            );
        }
    }

    fn pace(&self) -> Pace {
        Pace::Seldom
    }
}
