//! The few system calls on processes that have no safe wrapper that fits. Linux only; nothing here decides anything.
#![expect(unsafe_code, reason = "system calls; each says why it is sound")]

use std::{
    fs::File,
    io,
    os::fd::{FromRawFd as _, OwnedFd},
    time::Duration,
};

use libc::{c_int, c_ulong, pid_t};

/// What became of a process or thread that is waited for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Change {
    /// It ended with a status.
    Exited(c_int),
    /// A signal ended it.
    Killed(c_int),
    /// A signal is about to reach it.
    Signal(c_int),
    /// It stopped for something that a tracer is told of.
    Event,
}

/// Which of two a process is after a fork.
pub(crate) enum Fork {
    /// The new one.
    Child,
    /// The old one, with the number of the new.
    Parent(pid_t),
}

/// Makes a second process of this one.
///
/// Refuses when there is more than one thread, since locks that another holds would stay locked in the child for ever.
pub(crate) fn fork(threads: usize) -> io::Result<Fork> {
    if threads != 1 {
        return Err(io::Error::other("a process with threads can't be split"));
    }
    // SAFETY: there is one thread, so the child is a whole copy.
    match unsafe { libc::fork() } {
        -1 => Err(io::Error::last_os_error()),
        0 => Ok(Fork::Child),
        child => Ok(Fork::Parent(child)),
    }
}

/// Begins to trace a thread, without stopping it.
pub(crate) fn seize(thread: pid_t, options: c_int) -> io::Result<()> {
    let options = usize::try_from(options).unwrap_or(0);
    // SAFETY: `PTRACE_SEIZE` takes a number and options; it reads no memory of this process.
    done(unsafe { libc::ptrace(libc::PTRACE_SEIZE, thread, 0_usize, options) })
}

/// Lets a stopped thread go on, with a signal or none (0).
pub(crate) fn go_on(thread: pid_t, signal: c_int) -> io::Result<()> {
    let signal = usize::try_from(signal).unwrap_or(0);
    // SAFETY: `PTRACE_CONT` takes numbers alone.
    done(unsafe { libc::ptrace(libc::PTRACE_CONT, thread, 0_usize, signal) })
}

/// The next change of a child, a traced thread, or of anyone (-1) of them; `None` when there is none at the moment.
pub(crate) fn change(whose: pid_t) -> io::Result<Option<(pid_t, Change)>> {
    let mut status = 0;
    // SAFETY: the status has its room.
    let who = unsafe { libc::waitpid(whose, &raw mut status, libc::WNOHANG | libc::__WALL) };
    if who == 0 {
        return Ok(None);
    }
    if who < 0 {
        return Err(io::Error::last_os_error());
    }
    let change = if libc::WIFEXITED(status) {
        Change::Exited(libc::WEXITSTATUS(status))
    } else if libc::WIFSIGNALED(status) {
        Change::Killed(libc::WTERMSIG(status))
    } else if status >> 16 != 0 {
        Change::Event
    } else {
        Change::Signal(libc::WSTOPSIG(status))
    };
    Ok(Some((who, change)))
}

/// Sends a signal.
pub(crate) fn signal(process: pid_t, signal: c_int) -> io::Result<()> {
    // SAFETY: takes numbers alone.
    done(unsafe { libc::kill(process, signal) }.into())
}

/// Allows a process to trace this one where only parents may otherwise (Yama); zero takes it back. Kernels without Yama refuse, which is
/// as good.
pub(crate) fn allow_tracer(process: pid_t) {
    let process = c_ulong::try_from(process).unwrap_or(0);
    // SAFETY: takes numbers alone.
    unsafe { libc::prctl(libc::PR_SET_PTRACER, process, 0, 0, 0) };
}

/// Keeps all signals from this thread that can be kept, and gives a file from which they can be read.
pub(crate) fn signals() -> io::Result<File> {
    let all = all_signals();
    // SAFETY: the set is initialised; the former one isn't wanted.
    done(
        unsafe { libc::pthread_sigmask(libc::SIG_SETMASK, &raw const all, std::ptr::null_mut()) }
            .into(),
    )?;
    // SAFETY: the set is initialised; -1 asks for a new file.
    let file =
        unsafe { libc::signalfd(-1, &raw const all, libc::SFD_CLOEXEC | libc::SFD_NONBLOCK) };
    done(file.into())?;
    // SAFETY: the file was just made, and nobody else has its number.
    Ok(File::from(unsafe { OwnedFd::from_raw_fd(file) }))
}

/// Keeps all signals from this thread: others take those that are for the process.
pub(crate) fn take_no_signals() {
    let all = all_signals();
    // SAFETY: the set is initialised; the former one isn't wanted.
    unsafe { libc::pthread_sigmask(libc::SIG_SETMASK, &raw const all, std::ptr::null_mut()) };
}

fn all_signals() -> libc::sigset_t {
    // SAFETY: all zeros is a value of this plain structure.
    let mut all: libc::sigset_t = unsafe { std::mem::zeroed() };
    // SAFETY: the set has its room.
    unsafe { libc::sigfillset(&raw mut all) };
    all
}

/// Size of what is read for each signal.
pub(crate) const SIGNAL_SIZE: usize = size_of::<libc::signalfd_siginfo>();

/// Ends this process as a signal would have ended it.
pub(crate) fn end_by(signal: c_int) -> ! {
    // SAFETY: all zeros is a value of this plain structure.
    let mut one: libc::sigset_t = unsafe { std::mem::zeroed() };
    // SAFETY: the set has its room; the signal's ordinary effect is restored, and it is let through.
    unsafe {
        libc::sigemptyset(&raw mut one);
        libc::sigaddset(&raw mut one, signal);
        libc::signal(signal, libc::SIG_DFL);
        libc::raise(signal);
        libc::pthread_sigmask(libc::SIG_UNBLOCK, &raw const one, std::ptr::null_mut());
    }
    // A signal that ends nothing.
    end(128_i32.saturating_add(signal))
}

/// Ends this process at once: nothing that was registered for its end is run, since somebody else may have put it there.
pub(crate) fn end(status: c_int) -> ! {
    // The C library's function for it is one that a hook would take.
    // SAFETY: `exit_group` takes a number and doesn't return; nothing of this process is used after it.
    unsafe {
        #[cfg(target_arch = "x86_64")]
        std::arch::asm!("syscall", in("rax") libc::SYS_exit_group, in("rdi") i64::from(status), options(noreturn));
        #[cfg(target_arch = "aarch64")]
        std::arch::asm!("svc 0", in("x8") libc::SYS_exit_group, in("x0") i64::from(status), options(noreturn));
        #[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
        libc::_exit(status)
    }
}

/// Milliseconds that a poll may take.
pub(crate) fn timespec(duration: Duration) -> rustix::event::Timespec {
    rustix::event::Timespec {
        tv_sec: i64::try_from(duration.as_secs()).unwrap_or(i64::MAX),
        tv_nsec: duration.subsec_nanos().into(),
    }
}

fn done(answer: i64) -> io::Result<()> {
    if answer == -1 {
        return Err(io::Error::last_os_error());
    }
    Ok(())
}
