//! The world as it is.

#[cfg(any(target_os = "macos", target_os = "ios"))]
mod apple;
#[cfg(any(target_os = "linux", target_os = "android"))]
mod linux;

#[cfg(any(target_os = "macos", target_os = "ios"))]
pub use apple::Live;
#[cfg(any(target_os = "linux", target_os = "android"))]
pub use linux::Live;
