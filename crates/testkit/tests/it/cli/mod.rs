//! `fieldstone-device` as people and scripts run it: a process for each command, against the real server behind TLS.

mod faults;
mod files;
mod keystores;
mod kills;
mod middle;
mod owner;
mod people;
mod sealed;
mod watching;
mod working;

use std::path::PathBuf;

use fieldstone_testkit::{Answer, DeviceProcess, Person, Server, ServerOptions};

/// The exit status for a threat.
pub(crate) const THREAT: i32 = 70;

/// A server with the demo workspaces.
pub(crate) struct Platform {
    pub(crate) server: Server,
}

impl Platform {
    pub(crate) fn start() -> Self {
        Self {
            server: Server::start(&ServerOptions::demo()),
        }
    }

    pub(crate) fn ca(&self) -> PathBuf {
        self.server.ca()
    }

    pub(crate) fn person(&self, role: &str) -> Person {
        Person::of_demo(&self.server, role)
    }

    pub(crate) fn log_in(&self, device: &DeviceProcess, person: &Person) -> Answer {
        device.log_in(self.server.url(), &self.ca(), person, &[])
    }

    /// A new device with somebody logged in.
    pub(crate) fn device(&self, role: &str) -> DeviceProcess {
        let device = DeviceProcess::new();
        self.log_in(&device, &self.person(role)).ok();
        device
    }
}

/// The id of the first record that a list shows.
pub(crate) fn first_id(device: &DeviceProcess, object: &str) -> String {
    let listed = device.run(&["list", object, "--limit", "1"]).ok();
    listed["records"][0]["id"].as_str().unwrap().to_owned()
}
