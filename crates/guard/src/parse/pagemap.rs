//! `/proc/self/pagemap`: 64 bits per page. Writing into a mapped file's private page, as every debugger and every hook does, gives
//! the process a copy of its own; the kernel tells it apart from the file's.

/// The page is in memory.
const PRESENT: u64 = 1 << 63;
/// The page is swapped out; only copies are.
const SWAPPED: u64 = 1 << 62;
/// The page is the file's own, or shared.
const OF_FILE: u64 = 1 << 61;

/// Whether the page behind this entry is a private copy and no longer the file's.
pub fn is_copy(entry: u64) -> bool {
    entry & SWAPPED != 0 || (entry & PRESENT != 0 && entry & OF_FILE == 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_written_page_is_told_from_the_files() {
        assert!(!is_copy(0));
        assert!(!is_copy(PRESENT | OF_FILE | 0x1234));
        assert!(is_copy(PRESENT | 0x1234));
        assert!(is_copy(SWAPPED));
    }
}
