//! A ring of keys as a secrets manager hands it out: whatever stands there, it is read or refused, and what is read seals and opens.
#![no_main]

use std::sync::Arc;

use fieldstone_vault::{
    ManagedKeys, Place, Purpose, SecretSession, SecretStore, Vault, VaultError,
};
use libfuzzer_sys::fuzz_target;
use zeroize::Zeroizing;

const TENANT: &str = "00W000000000001";

fuzz_target!(|data: &[u8]| {
    // Most rings that are no hexadecimal end early: those that are, are reached faster this way.
    let hex: String = data.iter().map(|byte| format!("{byte:02x}")).collect();
    for text in [
        String::from_utf8_lossy(data).into_owned(),
        hex.clone(),
        format!("46535231{hex}"),
    ] {
        let vault = Vault::new(Arc::new(ManagedKeys::new(Arc::new(Manager(text)))));
        let place = Place {
            tenant: TENANT,
            object: "contact",
            record: "003000000000001",
            field: "iban",
            version: 1,
        };
        let _ = vault.state(TENANT);
        let purpose = Purpose::new("fuzz");
        let _ = vault.blind_index(purpose, (TENANT, "contact", "iban"), b"value");
        if let Ok(sealed) = vault.seal(purpose, &place, b"value") {
            let opened = vault
                .open(purpose, &place, &sealed)
                .expect("it opens what it has sealed");
            assert_eq!(&**opened, b"value");
        }
    }
});

/// Has one value, at whatever path it is asked for unless it is about tenants that have ended.
struct Manager(String);

impl SecretStore for Manager {
    fn begin(&self) -> Box<dyn SecretSession + '_> {
        Box::new(Session(&self.0))
    }

    fn check(&self) -> Result<(), VaultError> {
        Ok(())
    }
}

struct Session<'a>(&'a str);

impl SecretSession for Session<'_> {
    fn read(&self, path: &str) -> Result<Option<(Zeroizing<String>, u64)>, VaultError> {
        let is_ended = path.contains("ended");
        Ok((!is_ended).then(|| (Zeroizing::new(self.0.to_owned()), 1)))
    }

    fn write(&self, _: &str, _: &str, _: u64) -> Result<bool, VaultError> {
        Ok(false)
    }

    fn destroy(&self, _: &str, _: u64) -> Result<(), VaultError> {
        Ok(())
    }

    fn remove(&self, _: &str) -> Result<(), VaultError> {
        Ok(())
    }

    fn list(&self, _: &str) -> Result<Vec<String>, VaultError> {
        Ok(Vec::new())
    }
}
