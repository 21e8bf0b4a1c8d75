//! Randomness from a seed: the same seed makes the same run, on every machine.

use fieldstone_client::engine::memory::Fresh;
use fieldstone_model::RecordId;
use jiff::Timestamp;

/// The `SplitMix64` generator.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Random(u64);

impl Random {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed ^ 0x5bd1_e995_9d1b_54a3)
    }

    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// A number below `bound`, which is not 0.
    pub(crate) fn below(&mut self, bound: usize) -> usize {
        let bound = u64::try_from(bound.max(1)).unwrap_or(1);
        usize::try_from(self.next() % bound).unwrap_or(0)
    }

    /// True once in `times`.
    pub(crate) fn once_in(&mut self, times: usize) -> bool {
        self.below(times) == 0
    }

    /// One of the items, if there are any.
    pub(crate) fn pick<'a, T>(&mut self, items: &'a [T]) -> Option<&'a T> {
        items.get(self.below(items.len()))
    }

    /// The same for whoever takes numbers of its own.
    pub(crate) fn fork(&mut self) -> Self {
        Self(self.next())
    }
}

/// Names of one device. Its clock may be wrong and its ids few, so that two devices make the same id now and then.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Names {
    random: Random,
    clock_ms: i64,
    span: u64,
}

impl Names {
    pub(crate) fn new(mut random: Random) -> Self {
        // Right, a day late, or 1970.
        let clock_ms = *random
            .pick(&[1_772_366_400_000, 1_772_452_800_000, 0])
            .unwrap_or(&0);
        let span = if random.once_in(3) { 6 } else { u64::MAX };
        Self {
            random,
            clock_ms,
            span,
        }
    }

    pub(crate) fn record(&mut self, prefix: [u8; 3]) -> RecordId {
        let at = Timestamp::from_millisecond(self.clock_ms).unwrap_or_default();
        RecordId::compose(prefix, at, self.random.next() % self.span)
    }
}

impl Fresh for Names {
    fn uuid(&mut self) -> String {
        format!("{:016x}{:016x}", self.random.next(), self.random.next())
    }

    fn id(&mut self, like: RecordId) -> RecordId {
        let prefix = like.prefix().as_bytes().try_into().unwrap_or(*b"001");
        let at = Timestamp::from_millisecond(self.clock_ms).unwrap_or_default();
        RecordId::compose(prefix, at, self.random.next())
    }
}
