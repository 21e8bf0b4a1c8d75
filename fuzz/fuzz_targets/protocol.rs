//! What devices and the platform say to each other: any bytes are read or refused, and what is read says the same when it is said again.
#![no_main]

use fieldstone_protocol::pull::{PullAnswer, PullRequest};
use fieldstone_protocol::push::{PushAnswer, PushRequest};
use fieldstone_protocol::sealed::{DeliveryAnswer, DeliveryRequest};
use libfuzzer_sys::fuzz_target;

/// Reads, writes and reads again.
macro_rules! said_again {
    ($bytes:expr, $($message:ty),+) => {
        $(if let Ok(read) = <$message>::from_bytes($bytes) {
            let again = read.to_bytes().expect("what was read can be said");
            assert_eq!(<$message>::from_bytes(&again).expect("and read again"), read);
        })+
    };
}

fuzz_target!(|data: &[u8]| {
    // As it is, for the compression, and packed, for what is said.
    let packed = zstd::encode_all(data, 1).expect("compressed bytes");
    for bytes in [data, &packed] {
        said_again!(
            bytes,
            PullRequest,
            PullAnswer,
            PushRequest,
            PushAnswer,
            DeliveryRequest,
            DeliveryAnswer
        );
    }
});
