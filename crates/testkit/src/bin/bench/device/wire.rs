//! A way to the server that counts: bytes both ways, and how often the direction changed.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream, tcp};

/// The counting way.
pub(super) struct Wire {
    port: u16,
    counts: Arc<Counts>,
}

#[derive(Default)]
struct Counts {
    bytes: AtomicU64,
    turns: AtomicU64,
    /// Whether the last bytes came from the server.
    answered: AtomicBool,
}

/// What went over it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Seen {
    /// Both ways, TLS included.
    pub(super) bytes: u64,
    /// How often the server answered after the device had said something: round trips.
    pub(super) turns: u64,
}

impl Seen {
    pub(super) fn since(self, earlier: Self) -> Self {
        Self {
            bytes: self.bytes - earlier.bytes,
            turns: self.turns - earlier.turns,
        }
    }
}

impl Wire {
    /// To the server at this port of this machine.
    pub(super) async fn to(server: u16) -> anyhow::Result<Self> {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
        let port = listener.local_addr()?.port();
        let counts = Arc::<Counts>::default();
        let shared = counts.clone();
        tokio::spawn(async move {
            while let Ok((device, _)) = listener.accept().await {
                let Ok(platform) = TcpStream::connect(("127.0.0.1", server)).await else {
                    break;
                };
                let _ = (device.set_nodelay(true), platform.set_nodelay(true));
                let ((from_device, to_device), (from_platform, to_platform)) =
                    (device.into_split(), platform.into_split());
                tokio::spawn(carry(from_device, to_platform, shared.clone(), false));
                tokio::spawn(carry(from_platform, to_device, shared.clone(), true));
            }
        });
        Ok(Self { port, counts })
    }

    pub(super) fn port(&self) -> u16 {
        self.port
    }

    /// Everything so far.
    pub(super) fn seen(&self) -> Seen {
        Seen {
            bytes: self.counts.bytes.load(Ordering::SeqCst),
            turns: self.counts.turns.load(Ordering::SeqCst),
        }
    }
}

async fn carry(
    mut from: tcp::OwnedReadHalf,
    mut to: tcp::OwnedWriteHalf,
    counts: Arc<Counts>,
    answer: bool,
) {
    let mut buffer = vec![0; 64 << 10];
    loop {
        // Either end may close; then the other is told.
        let Ok(read @ 1..) = from.read(&mut buffer).await else {
            let _ = to.shutdown().await;
            return;
        };
        counts.bytes.fetch_add(read as u64, Ordering::SeqCst);
        let was_answer = counts.answered.swap(answer, Ordering::SeqCst);
        if answer && !was_answer {
            counts.turns.fetch_add(1, Ordering::SeqCst);
        }
        if to
            .write_all(buffer.get(..read).unwrap_or_default())
            .await
            .is_err()
        {
            return;
        }
    }
}
