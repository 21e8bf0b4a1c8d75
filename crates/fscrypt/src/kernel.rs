//! The kernel's side: structures of `linux/fscrypt.h` and the calls that take them. The only place here that is `unsafe`.

use std::fs::File;
use std::io;
use std::os::fd::AsRawFd as _;

use zeroize::Zeroize as _;

use crate::KEY_BYTES;

pub(crate) const POLICY_V2: u8 = 2;
pub(crate) const AES_256_XTS: u8 = 1;
pub(crate) const AES_256_CTS: u8 = 4;
/// Names are padded to multiples of 32 bytes.
pub(crate) const PAD_32: u8 = 3;
pub(crate) const FILES_BUSY: u32 = 1;
/// `EOPNOTSUPP` and `ENOTTY`: encryption is off for this file system, or it knows none.
pub(crate) const UNSUPPORTED: [i32; 2] = [nix::libc::EOPNOTSUPP, nix::libc::ENOTTY];
pub(crate) const NOT_ENCRYPTED: i32 = nix::libc::ENODATA;

const SPECIFIED_BY_IDENTIFIER: u32 = 2;

/// `struct fscrypt_policy_v2`.
#[repr(C)]
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct PolicyV2 {
    pub(crate) version: u8,
    pub(crate) contents: u8,
    pub(crate) names: u8,
    pub(crate) flags: u8,
    pub(crate) reserved: [u8; 4],
    pub(crate) identifier: [u8; 16],
}

/// `struct fscrypt_policy_v1`: the call that sets a policy is numbered by its size, whichever version it is given.
#[repr(C)]
struct PolicyV1([u8; 12]);

/// `struct fscrypt_get_policy_ex_arg`, with room for version 2.
#[repr(C)]
struct GetPolicy {
    size: u64,
    policy: PolicyV2,
}

/// `struct fscrypt_key_specifier`.
#[repr(C)]
#[derive(Clone, Copy)]
struct Specifier {
    kind: u32,
    reserved: u32,
    name: [u8; 32],
}

impl Specifier {
    fn new(identifier: [u8; 16]) -> Self {
        let mut name = [0; 32];
        for (to, from) in name.iter_mut().zip(identifier) {
            *to = from;
        }
        Self {
            kind: SPECIFIED_BY_IDENTIFIER,
            reserved: 0,
            name,
        }
    }
}

/// `struct fscrypt_add_key_arg` without its flexible end.
#[repr(C)]
struct AddKeyHead {
    specifier: Specifier,
    raw_size: u32,
    key_id: u32,
    reserved: [u32; 8],
}

/// The same with a key at its end.
#[repr(C)]
struct AddKey {
    head: AddKeyHead,
    raw: [u8; KEY_BYTES],
}

/// `struct fscrypt_remove_key_arg`.
#[repr(C)]
struct RemoveKey {
    specifier: Specifier,
    status: u32,
    reserved: [u32; 5],
}

/// `struct fscrypt_get_key_status_arg`.
#[repr(C)]
struct KeyStatus {
    specifier: Specifier,
    reserved: [u32; 6],
    status: u32,
    flags: u32,
    users: u32,
    out_reserved: [u32; 13],
}

/// The calls themselves, unsafe to make: each trusts its caller with a descriptor and a whole structure.
mod calls {
    use super::{AddKey, AddKeyHead, GetPolicy, KeyStatus, PolicyV1, PolicyV2, RemoveKey};

    nix::ioctl_write_ptr_bad!(
        set_policy,
        nix::request_code_read!(b'f', 19, size_of::<PolicyV1>()),
        PolicyV2
    );
    nix::ioctl_readwrite_bad!(
        get_policy,
        nix::request_code_readwrite!(b'f', 22, 9),
        GetPolicy
    );
    nix::ioctl_readwrite_bad!(
        add_key,
        nix::request_code_readwrite!(b'f', 23, size_of::<AddKeyHead>()),
        AddKey
    );
    nix::ioctl_readwrite!(remove_key, b'f', 24, RemoveKey);
    nix::ioctl_readwrite!(remove_key_of_all, b'f', 25, RemoveKey);
    nix::ioctl_readwrite!(key_status, b'f', 26, KeyStatus);
}

pub(crate) fn set_policy(folder: &File, policy: &PolicyV2) -> io::Result<()> {
    #[expect(
        unsafe_code,
        reason = "the kernel reads as many bytes as the version says, which the structure has"
    )]
    // SAFETY: the descriptor is open, and `policy` is a whole `fscrypt_policy_v2`.
    unsafe { calls::set_policy(folder.as_raw_fd(), policy) }?;
    Ok(())
}

pub(crate) fn get_policy(path: &File) -> io::Result<PolicyV2> {
    let mut asked = GetPolicy {
        size: size_of::<PolicyV2>() as u64,
        policy: PolicyV2::default(),
    };
    #[expect(
        unsafe_code,
        reason = "the kernel writes no more than `size` bytes of the policy"
    )]
    // SAFETY: the descriptor is open, and `size` is what there is room for.
    unsafe { calls::get_policy(path.as_raw_fd(), &raw mut asked) }?;
    Ok(asked.policy)
}

/// Answers the identifier that the kernel derives from the key. Its copy here is wiped.
pub(crate) fn add_key(mount: &File, key: &[u8; KEY_BYTES]) -> io::Result<[u8; 16]> {
    let mut asked = AddKey {
        head: AddKeyHead {
            specifier: Specifier::new([0; 16]),
            raw_size: u32::try_from(KEY_BYTES).map_err(io::Error::other)?,
            key_id: 0,
            reserved: [0; 8],
        },
        raw: *key,
    };
    #[expect(
        unsafe_code,
        reason = "the kernel reads `raw_size` bytes behind the head, which are there"
    )]
    // SAFETY: the descriptor is open, and `raw` follows the head without padding (both are made of u32 and u8).
    let added = unsafe { calls::add_key(mount.as_raw_fd(), &raw mut asked) };
    asked.raw.zeroize();
    added?;
    Ok(asked
        .head
        .specifier
        .name
        .first_chunk()
        .copied()
        .unwrap_or_default())
}

/// Answers what is left: [`FILES_BUSY`] or nothing.
pub(crate) fn remove_key(mount: &File, identifier: [u8; 16], of_all: bool) -> io::Result<u32> {
    let mut asked = RemoveKey {
        specifier: Specifier::new(identifier),
        status: 0,
        reserved: [0; 5],
    };
    let descriptor = mount.as_raw_fd();
    #[expect(
        unsafe_code,
        reason = "the kernel reads and writes a whole `fscrypt_remove_key_arg`"
    )]
    // SAFETY: the descriptor is open, and `asked` is that structure.
    unsafe {
        if of_all {
            calls::remove_key_of_all(descriptor, &raw mut asked)
        } else {
            calls::remove_key(descriptor, &raw mut asked)
        }
    }?;
    Ok(asked.status)
}

pub(crate) fn key_status(mount: &File, identifier: [u8; 16]) -> io::Result<u32> {
    let mut asked = KeyStatus {
        specifier: Specifier::new(identifier),
        reserved: [0; 6],
        status: 0,
        flags: 0,
        users: 0,
        out_reserved: [0; 13],
    };
    #[expect(
        unsafe_code,
        reason = "the kernel reads and writes a whole `fscrypt_get_key_status_arg`"
    )]
    // SAFETY: the descriptor is open, and `asked` is that structure.
    unsafe { calls::key_status(mount.as_raw_fd(), &raw mut asked) }?;
    Ok(asked.status)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The sizes of `linux/fscrypt.h` are part of the calls' numbers.
    #[test]
    fn structures_have_the_kernel_s_sizes() {
        assert_eq!(size_of::<PolicyV1>(), 12);
        assert_eq!(size_of::<PolicyV2>(), 24);
        assert_eq!(size_of::<Specifier>(), 40);
        assert_eq!(size_of::<AddKeyHead>(), 80);
        assert_eq!(size_of::<AddKey>(), 80 + KEY_BYTES);
        assert_eq!(size_of::<RemoveKey>(), 64);
        assert_eq!(size_of::<KeyStatus>(), 128);
    }
}
