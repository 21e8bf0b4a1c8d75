//! A sealed program runs, and ends when a byte of it was changed. `cargo xtask dist` seals releases; this does the same to the test's program.

use std::{fs, os::unix::fs::PermissionsExt as _, path::Path, process::Command};

use sha2::{Digest as _, Sha256};

const MAGIC: &[u8] = b"\x93Seal\x1a\x00\xf7of\xc3code\x04";
const SIZE: usize = 112 + 512 * 16;

fn number(file: &[u8], at: usize, length: usize) -> usize {
    let bytes = file[at..at + length].iter().rev();
    bytes.fold(0, |number, byte| number << 8 | usize::from(*byte))
}

/// Where the code is, and how long it is.
fn code(file: &[u8]) -> (usize, usize) {
    let (start, size, count) = (
        number(file, 32, 8),
        number(file, 54, 2),
        number(file, 56, 2),
    );
    let entry = (0..count)
        .map(|index| start + index * size)
        .find(|at| number(file, *at, 4) == 1 && number(file, at + 4, 4) & 1 == 1);
    let at = entry.unwrap();
    (number(file, at + 8, 8), number(file, at + 32, 8))
}

fn seal(file: &mut [u8]) -> usize {
    let place = file.windows(16).position(|bytes| bytes == MAGIC).unwrap();
    let (start, length) = code(file);
    let digests: Vec<[u8; 32]> = file[start..start + length]
        .chunks(256 << 10)
        .map(|piece| Sha256::digest(piece).into())
        .collect();
    let sum = Sha256::digest(digests.concat());
    let mut put =
        |at: usize, bytes: &[u8]| file[place + at..place + at + bytes.len()].copy_from_slice(bytes);
    put(16, &0x5ea1_ed00_c0de_0001_u64.to_le_bytes());
    put(24, &u64::try_from(start).unwrap().to_le_bytes());
    put(32, &u64::try_from(length).unwrap().to_le_bytes());
    put(104, &u64::try_from(place).unwrap().to_le_bytes());
    for (index, digest) in digests.iter().enumerate() {
        put(112 + index * 16, &digest[..16]);
    }
    for (at, of_code) in sum.iter().enumerate() {
        file[place + 72 + at] ^= of_code;
    }
    let mut gaps = [(start, start + length), (place, place + SIZE)];
    gaps.sort_unstable();
    let mut rest = Sha256::new();
    rest.update(&file[..gaps[0].0]);
    rest.update(&file[gaps[0].1..gaps[1].0]);
    rest.update(&file[gaps[1].1..]);
    let rest = rest.finalize();
    file[place + 40..place + 72].copy_from_slice(&rest);
    place
}

fn run(folder: &Path, file: &[u8]) -> (Option<i32>, String) {
    let program = folder.join("sealed");
    let _ = fs::remove_file(&program);
    fs::write(&program, file).unwrap();
    fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();
    let output = Command::new(program)
        .stdin(std::process::Stdio::null())
        .output()
        .unwrap();
    (
        output.status.code(),
        String::from_utf8_lossy(&output.stderr).into_owned(),
    )
}

#[test]
fn a_sealed_program_runs_and_a_changed_one_does_not() {
    let folder = tempfile::tempdir().unwrap();
    let mut file = fs::read(env!("CARGO_BIN_EXE_fieldstone-guarded")).unwrap();
    let place = seal(&mut file);
    let (status, said) = run(folder.path(), &file);
    assert_eq!(status, Some(0), "{said}");
    let (start, length) = code(&file);
    // Padding between functions, in the last piece: it changes nothing but the digest.
    let unused = (start..start + length)
        .rev()
        .find(|at| file[*at] == 0xcc && file[*at - 1] == 0xcc);
    // The last bytes of the file: no code, and not loaded.
    let last = file.len() - 1;
    for at in [unused, Some(last), Some(place + 41), Some(place + 112)]
        .into_iter()
        .flatten()
    {
        let mut changed = file.clone();
        changed[at] ^= 1;
        let (status, said) = run(folder.path(), &changed);
        assert_eq!(status, Some(70), "byte {at}: {said}");
        assert!(said.contains("isn't what was built"), "byte {at}: {said}");
    }
}
