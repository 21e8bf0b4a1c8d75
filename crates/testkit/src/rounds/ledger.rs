//! What was entered on devices, and so must be found: each record is one device's own, so that nothing depends on who was first.

use std::collections::{BTreeMap, BTreeSet};

use super::Chance;
use crate::Answer;

/// A change about to be made.
#[derive(Debug, Clone)]
pub(super) struct Change {
    device: usize,
    /// The record that is changed; none makes one.
    record: Option<String>,
    name: String,
    city: String,
}

impl Change {
    /// The command that makes it.
    pub(super) fn arguments(&self) -> Vec<&str> {
        match &self.record {
            Some(id) => vec!["edit", id, &self.city],
            None => vec!["create", "account", &self.name, &self.city],
        }
    }
}

#[derive(Debug, Clone)]
struct Entered {
    device: usize,
    /// What may be found, the last one confirmed first.
    cities: Vec<String>,
    /// Whether it was made since the last mark.
    fresh: bool,
    /// Whether a restored database may not have it.
    may_be_gone: bool,
}

#[derive(Debug, Default)]
pub(super) struct Ledger {
    counter: u64,
    /// By id: what was confirmed.
    entered: BTreeMap<String, Entered>,
    /// Names of records during whose making a device was killed: there once, or not at all.
    uncertain: BTreeSet<String>,
    /// The latest records.
    recent: Vec<String>,
}

impl Ledger {
    pub(super) fn next_change(&mut self, device: usize, chance: &mut Chance) -> Change {
        self.counter += 1;
        let own: Vec<&String> = self
            .entered
            .iter()
            .filter(|(_, entered)| entered.device == device && !entered.may_be_gone)
            .map(|(id, _)| id)
            .collect();
        let count = u64::try_from(own.len()).unwrap_or(0);
        let picked = usize::try_from(chance.below(count)).unwrap_or(0);
        let record = own.get(picked).filter(|_| chance.below(3) == 0);
        Change {
            device,
            record: record.map(ToString::to_string),
            name: format!("name=round {}", self.counter),
            city: format!("city=City {}", self.counter),
        }
    }

    /// Takes down what became of a change.
    pub(super) fn note(&mut self, change: Change, answer: &Answer, confirmed: bool) {
        let city = change.city.replacen("city=", "", 1);
        if let Some(id) = change.record {
            let entered = self.entered.get_mut(&id).expect("a known record");
            if confirmed {
                entered.cities = vec![city];
            } else {
                entered.cities.push(city);
            }
            entered.fresh = true;
            self.recent.push(id);
        } else if confirmed {
            let id = answer.value.get("id").and_then(|id| id.as_str());
            let id = id.expect("the id of what was made").to_owned();
            let entered = Entered {
                device: change.device,
                cities: vec![city],
                fresh: true,
                may_be_gone: false,
            };
            self.entered.insert(id.clone(), entered);
            self.recent.push(id);
        } else {
            self.uncertain.insert(change.name.replacen("name=", "", 1));
        }
    }

    /// Everything so far is in the copy.
    pub(super) fn mark(&mut self) {
        for entered in self.entered.values_mut() {
            entered.fresh = false;
        }
    }

    /// What was entered since the mark may be gone with the database that was put back.
    pub(super) fn forget_since_mark(&mut self) {
        for entered in self.entered.values_mut().filter(|entered| entered.fresh) {
            entered.may_be_gone = true;
        }
        self.recent.clear();
    }

    /// Compares with what the platform has: id, name, city.
    pub(super) fn check(&mut self, found: Vec<(String, String, String)>) {
        let mut names = BTreeSet::new();
        let mut by_id = BTreeMap::new();
        for (id, name, city) in found {
            assert!(names.insert(name.clone()), "“{name}” is there twice");
            let is_known = self.entered.contains_key(&id) || self.uncertain.contains(&name);
            assert!(is_known, "nobody entered “{name}” ({id})");
            by_id.insert(id, city);
        }
        for (id, entered) in &mut self.entered {
            match by_id.get(id) {
                _ if entered.may_be_gone => {}
                Some(city) if entered.cities.contains(city) => {
                    // What was found is what counts from now on.
                    entered.cities = vec![city.clone()];
                }
                Some(city) => panic!(
                    "{id} has “{city}” and should have one of {:?}",
                    entered.cities
                ),
                None => panic!("{id} ({:?}) is lost", entered.cities),
            }
        }
    }

    /// Some of the latest records with what they should show.
    pub(super) fn recent(&mut self) -> Vec<(String, String)> {
        let mut ids = std::mem::take(&mut self.recent);
        ids.dedup();
        ids.iter()
            .rev()
            .take(3)
            .filter_map(|id| {
                let entered = self
                    .entered
                    .get(id)
                    .filter(|entered| !entered.may_be_gone)?;
                Some((id.clone(), entered.cities.first()?.clone()))
            })
            .collect()
    }
}
