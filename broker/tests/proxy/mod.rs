//! A connection that can be cut, or fall silent.

use std::sync::Arc;

use tokio::{
    io::copy_bidirectional,
    net::{TcpListener, TcpStream},
    sync::watch,
    task::JoinHandle,
};

/// What befalls connections; a connection is numbered by its order.
#[derive(Clone, Copy, Default)]
struct Fate {
    /// Connections below are closed.
    cut: usize,
    /// Connections below stay open, but nothing passes.
    silent: usize,
    /// New ones are closed at once.
    refusing: bool,
    /// How many there were.
    accepted: usize,
}

/// Passes connections on to a server.
pub(crate) struct Proxy {
    port: u16,
    fate: Arc<watch::Sender<Fate>>,
    listener: JoinHandle<()>,
}

impl Proxy {
    pub(crate) async fn to(port: u16) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let own = listener.local_addr().unwrap().port();
        let fate = Arc::new(watch::Sender::new(Fate::default()));
        let listener = tokio::spawn(serve(listener, port, Arc::clone(&fate)));
        Self { port: own, fate, listener }
    }

    pub(crate) fn url(&self) -> String {
        format!("nats://127.0.0.1:{}", self.port)
    }

    /// Closes all connections, and every new one until [`Self::mend`].
    pub(crate) fn cut(&self) {
        self.fate.send_modify(|fate| (fate.cut, fate.refusing) = (usize::MAX, true));
    }

    /// Lets new connections through.
    pub(crate) fn mend(&self) {
        self.fate.send_modify(|fate| (fate.cut, fate.refusing) = (0, false));
    }

    /// How many connections there were.
    pub(crate) fn accepted(&self) -> usize {
        self.fate.borrow().accepted
    }

    /// Lets nothing through the connections that there are; new ones work.
    pub(crate) fn silence(&self) {
        self.fate.send_modify(|fate| fate.silent = usize::MAX);
        // Numbered from here on.
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.listener.abort();
        self.fate.send_modify(|fate| (fate.cut, fate.silent) = (usize::MAX, 0));
    }
}

async fn serve(listener: TcpListener, port: u16, fate: Arc<watch::Sender<Fate>>) {
    for number in 0.. {
        let Ok((mut near, _)) = listener.accept().await else { return };
        fate.send_modify(|fate| fate.accepted = number + 1);
        // Whoever comes after a silence is not of those that fell silent.
        fate.send_if_modified(|fate| {
            let fell = fate.silent == usize::MAX;
            if fell {
                fate.silent = number;
            }
            fell
        });
        let mut fate = fate.subscribe();
        if fate.borrow().refusing {
            continue;
        }
        tokio::spawn(async move {
            let Ok(mut far) = TcpStream::connect(("127.0.0.1", port)).await else { return };
            tokio::select! {
                _ = copy_bidirectional(&mut near, &mut far) => return,
                _ = fate.wait_for(|fate| number < fate.cut || number < fate.silent) => {}
            }
            let _ = fate.wait_for(|fate| number < fate.cut).await;
        });
    }
}
