//! How much memory the process takes.

/// Resident memory of this process in bytes, as the kernel tells it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Memory {
    /// Now.
    pub resident: u64,
    /// The most since the process began.
    pub peak: u64,
}

impl Memory {
    /// As it is now; `None` where `/proc` does not tell.
    #[must_use]
    pub fn now() -> Option<Self> {
        Self::read(&std::fs::read_to_string("/proc/self/status").ok()?)
    }

    fn read(status: &str) -> Option<Self> {
        let bytes = |name: &str| {
            let line = status.lines().find_map(|line| line.strip_prefix(name))?;
            line.trim().trim_end_matches(" kB").parse::<u64>().ok().map(|kib| kib * 1024)
        };
        Some(Self { resident: bytes("VmRSS:")?, peak: bytes("VmHWM:")? })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_kernel_tells_is_read() {
        let status = "Name:\tquire\nVmPeak:\t   99 kB\nVmHWM:\t   20 kB\nVmRSS:\t   10 kB\n";
        assert_eq!(Memory::read(status), Some(Memory { resident: 10 << 10, peak: 20 << 10 }));
        assert_eq!(Memory::read("Name:\tquire\n"), None);
        let now = Memory::now().unwrap();
        assert!(now.resident > 0 && now.peak >= now.resident);
    }
}
