//! Cursors as text: opaque to callers, checked when they come back.

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use fieldstone_model::query::Cursor;

/// A text is no cursor of ours.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("This cursor can't be read. Start again without one.")]
pub struct CursorError;

/// The cursor as text for an address or a JSON answer.
pub fn encode_cursor(cursor: &Cursor) -> String {
    // A cursor is ids, numbers and texts: it always serialises.
    URL_SAFE_NO_PAD.encode(serde_json::to_vec(cursor).unwrap_or_default())
}

/// Reads a text made by [`encode_cursor`].
pub fn decode_cursor(text: &str) -> Result<Cursor, CursorError> {
    let bytes = URL_SAFE_NO_PAD.decode(text).map_err(|_| CursorError)?;
    serde_json::from_slice(&bytes).map_err(|_| CursorError)
}

#[cfg(test)]
mod tests {
    use super::*;
    use fieldstone_model::query::CursorKey;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn round_trip(number in any::<i64>(), text in "\\PC{0,30}", backward in any::<bool>()) {
            let id = "0060000000000Aa".parse().unwrap();
            let cursor = Cursor { keys: vec![CursorKey::Int(number), CursorKey::Text(text), CursorKey::Null], id, backward };
            prop_assert_eq!(decode_cursor(&encode_cursor(&cursor)), Ok(cursor));
        }

        #[test]
        fn garbage_is_refused(text in "\\PC{0,40}") {
            prop_assert_eq!(decode_cursor(&text), Err(CursorError));
        }
    }
}
