//! A connection that can be cut, fall silent, or lose single requests.

use std::{io, sync::Arc};

use tokio::{
    io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader, copy},
    net::{TcpListener, TcpStream, tcp},
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
    /// What the next request to get lost has in its subject.
    losing: Option<&'static str>,
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

    /// Has the next request with this in its subject get lost, on a connection that works.
    pub(crate) fn lose(&self, subject: &'static str) {
        self.fate.send_modify(|fate| fate.losing = Some(subject));
    }

    /// Waits until it was lost.
    pub(crate) async fn lost(&self) {
        self.fate.subscribe().wait_for(|fate| fate.losing.is_none()).await.unwrap();
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
        let (fates, mut fate) = (Arc::clone(&fate), fate.subscribe());
        if fate.borrow().refusing {
            continue;
        }
        tokio::spawn(async move {
            let Ok(mut far) = TcpStream::connect(("127.0.0.1", port)).await else { return };
            let ((asking, mut answered), (mut answering, mut asked)) = (near.split(), far.split());
            tokio::select! {
                _ = copy(&mut answering, &mut answered) => return,
                _ = requests(asking, &mut asked, &fates) => return,
                _ = fate.wait_for(|fate| number < fate.cut || number < fate.silent) => {}
            }
            let _ = fate.wait_for(|fate| number < fate.cut).await;
        });
    }
}

/// Passes on what a client says, but for what is to get lost.
async fn requests(
    from: tcp::ReadHalf<'_>,
    to: &mut tcp::WriteHalf<'_>,
    fate: &watch::Sender<Fate>,
) -> io::Result<()> {
    let mut from = BufReader::new(from);
    let mut said = Vec::new();
    while from.read_until(b'\n', &mut said).await? > 0 {
        let line = String::from_utf8_lossy(&said).into_owned();
        let mut words = line.split_ascii_whitespace();
        let mut is_lost = false;
        if matches!(words.next(), Some("PUB" | "HPUB")) {
            let subject = words.next().unwrap();
            let length: usize = words.last().unwrap().parse().unwrap();
            let begin = said.len();
            said.resize(begin + length + 2, 0);
            from.read_exact(&mut said[begin..]).await?;
            is_lost = fate
                .send_if_modified(|fate| fate.losing.take_if(|losing| subject.contains(*losing)).is_some());
        }
        if !is_lost {
            to.write_all(&said).await?;
        }
        said.clear();
    }
    Ok(())
}
