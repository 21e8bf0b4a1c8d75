//! Sealed values and streams that somebody made or changed: none opens, and none makes the vault panic.
#![no_main]

use std::sync::{Arc, LazyLock};

use fieldstone_vault::{
    MemoryKeys, Place, Purpose, SecretKey, Stream, Vault, VaultError,
    stream::{HEAD_LEN, SEALED_SEGMENT_LEN},
};
use libfuzzer_sys::fuzz_target;

const PURPOSE: Purpose = Purpose::new("fuzz");
const PLACE: Place<'_> = Place {
    tenant: "00W000000000001",
    object: "contact",
    record: "003000000000001",
    field: "iban",
    version: 1,
};
const VALUE: &[u8] = b"what nobody else may read";

/// The vault, and a value that it has sealed.
static SEALED: LazyLock<(Vault, Vec<u8>)> = LazyLock::new(|| {
    let vault = Vault::new(Arc::new(MemoryKeys::default()));
    let sealed = vault.seal(PURPOSE, &PLACE, VALUE).expect("a sealed value");
    (vault, sealed.to_vec())
});
static KEY: LazyLock<SecretKey> = LazyLock::new(|| SecretKey::generate().expect("a key"));

fuzz_target!(|data: &[u8]| {
    let (vault, sealed) = &*SEALED;
    assert!(
        vault.open(PURPOSE, &PLACE, data).is_err(),
        "it opens what it hasn't sealed"
    );

    // The real one with the input laid over it: it opens only where nothing was changed.
    let mut changed = sealed.clone();
    let offset = data
        .first()
        .map_or(0, |byte| usize::from(*byte) % changed.len());
    for (byte, mask) in changed.iter_mut().skip(offset).zip(data.iter().skip(1)) {
        *byte ^= mask;
    }
    match vault.open(PURPOSE, &PLACE, &changed) {
        Ok(opened) => assert!(changed == *sealed && *opened == VALUE),
        Err(_) => assert!(changed != *sealed),
    }
    streams(data);
});

fn streams(data: &[u8]) {
    if let Some(head) = data.first_chunk::<HEAD_LEN>() {
        let resumed = Stream::resume(&KEY, b"place", head);
        assert!(
            resumed.is_err(),
            "a head that nobody has made is taken for one"
        );
    }
    let stream = Stream::begin(&KEY, 1, b"place").expect("a stream");
    let mut segment = data.to_vec();
    segment.truncate(SEALED_SEGMENT_LEN);
    for last in [false, true] {
        let mut copy = segment.clone();
        let opened = stream.open(0, last, &mut copy);
        assert!(matches!(opened, Err(VaultError::DoesNotOpen)));
    }
    assert!(stream.open_all(data.to_vec()).is_err());
    let sealed = stream.seal_all(data).expect("sealed content");
    let opened = stream.open_all(sealed.get(HEAD_LEN..).unwrap_or_default().to_vec());
    assert_eq!(opened.expect("it opens"), data);
}
