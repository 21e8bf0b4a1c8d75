//! The program's own code in memory, against the digests that were put into the finished binary: a piece at each look, all of it at the first.

use super::Probe;
use crate::{
    finding::{Family, Finding},
    hide,
    parse::maps,
    seal::{PIECE, Seal, Sum},
    world::{Reading, World},
};

const CHECK: &str = "digest";

/// Digests code.
#[derive(Debug)]
pub struct Code {
    seal: Seal,
    /// Where the code is in memory, as soon as that is known.
    start: Option<u64>,
    next: usize,
    buffer: Vec<u8>,
}

impl Code {
    /// Of the program that this is.
    pub fn of_this_program() -> Self {
        Self::of(Seal::of_this_program())
    }

    pub(crate) fn of(seal: Seal) -> Self {
        Self {
            seal,
            start: None,
            next: 0,
            buffer: Vec::new(),
        }
    }

    fn find(&mut self, world: &dyn World) -> Option<u64> {
        let program = world.program()?;
        let Reading::Found(text) = world.process("maps") else {
            return None;
        };
        let offset = self.seal.offset();
        let mapping = maps::parse(&text).ok()?.into_iter().find(|mapping| {
            // The page in which code begins is mapped a second time, as the end of what comes before it.
            mapping.execute
                && mapping
                    .name
                    .strip_suffix(" (deleted)")
                    .unwrap_or(&mapping.name)
                    == program
                && mapping.offset <= offset
                && offset - mapping.offset < mapping.size()
        })?;
        mapping.start.checked_add(offset - mapping.offset)
    }

    fn piece(&mut self, piece: usize, world: &dyn World) -> Option<&[u8]> {
        let start = self.start?;
        let (_, length) = self.seal.piece_range(piece)?;
        self.buffer.resize(PIECE, 0);
        let address = start.checked_add(u64::try_from(piece.checked_mul(PIECE)?).ok()?)?;
        let buffer = self.buffer.get_mut(..length)?;
        world.memory(address, buffer).then_some(&*buffer)
    }
}

impl Probe for Code {
    fn look(&mut self, world: &dyn World, found: &mut Vec<Finding>) {
        if !self.seal.is_sealed() {
            return;
        }
        let mut say = |evidence: &str| found.push(Finding::new(Family::Tools, CHECK, evidence));
        let pieces = self.seal.pieces();
        let first = self.start.is_none();
        if first {
            self.start = self.find(world);
        }
        let now = if first {
            0..pieces
        } else {
            self.next..(self.next + 1).min(pieces)
        };
        self.next = if now.end >= pieces { 0 } else { now.end };
        let seal = self.seal.clone();
        let mut sum = Sum::default();
        for piece in now {
            match self.piece(piece, world) {
                Some(bytes) if sum.add(bytes, |digest| seal.is_piece(piece, digest)) => {}
                Some(_) => say(&format!(
                    "the program's code isn't what was built, in piece {piece}"
                )),
                None => {
                    say("the program's code isn't where the file says");
                    break;
                }
            }
        }
        if first {
            // With other code than what was built, no hidden text can be read from here on, whatever the checks above say.
            hide::open(sum.finish());
            let read = |offset, into: &mut [u8]| world.program_part(offset, into);
            match seal.is_rest(read) {
                Some(true) => {}
                Some(false) => say("the program's file isn't what was built"),
                None => say("the program's file can't be read"),
            }
        }
    }
}
