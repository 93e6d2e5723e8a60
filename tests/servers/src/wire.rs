//! The server's protocol, bare: to look at what passes and to break things, without a client's own ideas.

use std::{
    io::{self, BufRead as _, BufReader, Read as _, Write as _},
    net::TcpStream,
    time::{Duration, Instant},
};

/// How long one answer may take.
const PATIENCE: Duration = Duration::from_secs(5);
/// How long a read blocks before its caller may look at something else.
const TICK: Duration = Duration::from_millis(50);

/// A connection to a nats-server.
#[derive(Debug)]
pub struct Wire {
    reader: BufReader<TcpStream>,
    /// What was read of a line that has not ended.
    line: Vec<u8>,
    requests: u64,
}

/// A message as it came.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Heard {
    /// Its subject.
    pub subject: String,
    /// Its headers, as they stand; empty without any.
    pub headers: String,
    /// Its body.
    pub payload: Vec<u8>,
}

impl Heard {
    /// What the server knows a repeat by.
    #[must_use]
    pub fn id(&self) -> Option<&str> {
        self.headers.lines().find_map(|line| line.strip_prefix("Nats-Msg-Id:")).map(str::trim)
    }
}

impl Wire {
    /// Connects to the server at a loopback port.
    ///
    /// # Errors
    /// If it does not answer.
    pub fn connect(port: u16) -> io::Result<Self> {
        let stream = TcpStream::connect_timeout(&([127, 0, 0, 1], port).into(), PATIENCE)?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(TICK))?;
        stream.set_write_timeout(Some(PATIENCE))?;
        let mut wire = Self { reader: BufReader::new(stream), line: Vec::new(), requests: 0 };
        wire.say(
            b"CONNECT {\"verbose\":false,\"pedantic\":false,\"headers\":true,\"name\":\"test\"}\r\nPING\r\n",
        )?;
        let began = Instant::now();
        while wire.line()?.is_none_or(|line| line != "PONG") {
            if began.elapsed() > PATIENCE {
                return Err(io::ErrorKind::TimedOut.into());
            }
        }
        Ok(wire)
    }

    /// Hears everything that is published to `subject` from now on.
    ///
    /// # Errors
    /// If the connection is gone.
    pub fn subscribe(&mut self, subject: &str) -> io::Result<()> {
        self.requests += 1;
        let number = self.requests;
        self.say(format!("SUB {subject} {number}\r\n").as_bytes())
    }

    /// Publishes a message; `id` is what the server knows a repeat by.
    ///
    /// # Errors
    /// If the connection is gone.
    pub fn publish(&mut self, subject: &str, id: Option<&str>, payload: &[u8]) -> io::Result<()> {
        let headers = id.map(|id| format!("NATS/1.0\r\nNats-Msg-Id: {id}\r\n\r\n"));
        let head = match &headers {
            Some(headers) => {
                let whole = headers.len() + payload.len();
                format!("HPUB {subject} {} {whole}\r\n{headers}", headers.len())
            }
            None => format!("PUB {subject} {}\r\n", payload.len()),
        };
        self.say(&[head.as_bytes(), payload, b"\r\n"].concat())
    }

    /// Asks for something and waits for the answer.
    ///
    /// # Errors
    /// If none comes.
    pub fn request(&mut self, subject: &str, payload: &[u8]) -> io::Result<String> {
        self.requests += 1;
        let (number, port) = (self.requests, self.reader.get_ref().local_addr()?.port());
        let inbox = format!("_INBOX.test-{port}.{number}");
        let head = format!("SUB {inbox} {number}\r\nUNSUB {number} 1\r\n");
        let publish = format!("PUB {subject} {inbox} {}\r\n", payload.len());
        self.say(&[head.as_bytes(), publish.as_bytes(), payload, b"\r\n"].concat())?;
        let began = Instant::now();
        while began.elapsed() < PATIENCE {
            if let Some(heard) = self.hear()?.filter(|heard| heard.subject == inbox) {
                return Ok(String::from_utf8_lossy(&heard.payload).into_owned());
            }
        }
        Err(io::Error::new(io::ErrorKind::TimedOut, format!("no answer from {subject}")))
    }

    /// The next message; `None` if none came for a moment.
    ///
    /// # Errors
    /// If the connection is gone.
    pub fn hear(&mut self) -> io::Result<Option<Heard>> {
        let Some(line) = self.line()? else { return Ok(None) };
        let words: Vec<&str> = line.split_whitespace().collect();
        let number = |word: Option<&&str>| word.and_then(|word| word.parse::<usize>().ok()).unwrap_or(0);
        let (head, whole) = match words.first().copied() {
            Some("MSG") => (0, number(words.last())),
            Some("HMSG") => (number(words.get(words.len().saturating_sub(2))), number(words.last())),
            Some("PING") => {
                self.say(b"PONG\r\n")?;
                return Ok(None);
            }
            _ => return Ok(None),
        };
        let subject = words.get(1).copied().unwrap_or_default().to_owned();
        let mut bytes = vec![0; whole + 2];
        self.fill(&mut bytes)?;
        bytes.truncate(whole);
        let payload = bytes.split_off(head.min(whole));
        Ok(Some(Heard { subject, headers: String::from_utf8_lossy(&bytes).into_owned(), payload }))
    }

    fn say(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.reader.get_mut().write_all(bytes)
    }

    /// A line without its end; `None` if it has not come yet.
    fn line(&mut self) -> io::Result<Option<String>> {
        match self.reader.read_until(b'\n', &mut self.line) {
            Ok(0) => Err(io::ErrorKind::UnexpectedEof.into()),
            Ok(_) if self.line.ends_with(b"\n") => {
                let line = std::mem::take(&mut self.line);
                Ok(Some(String::from_utf8_lossy(&line).trim_end().to_owned()))
            }
            Ok(_) => Err(io::ErrorKind::UnexpectedEof.into()),
            Err(error) if is_tick(&error) => Ok(None),
            Err(error) => Err(error),
        }
    }

    fn fill(&mut self, bytes: &mut [u8]) -> io::Result<()> {
        let (mut filled, began) = (0, Instant::now());
        while filled < bytes.len() {
            match self.reader.read(&mut bytes[filled..]) {
                Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
                Ok(more) => filled += more,
                Err(error) if is_tick(&error) && began.elapsed() < PATIENCE => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }
}

fn is_tick(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut | io::ErrorKind::Interrupted)
}
