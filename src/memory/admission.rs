//! Whether a model may be loaded: the rule, and the book of what is promised but not taken yet.
//!
//! Pure. A model that was let in takes seconds to load, and some of its memory only when it works, so what a probe
//! calls free is not free to others meanwhile. Everybody who is let in makes a [`Claim`], and the rule takes the claims
//! of others into account. [`reservations`](super::reservations) keeps the book between threads and processes.

use std::fmt;

/// What there is of a device's memory, in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Room {
    /// What the device has.
    pub total: u64,
    /// What nobody uses.
    pub free: u64,
}

impl Room {
    /// Bytes that may be taken so that no more than `percent` of the device are in use then.
    pub fn usable(self, percent: u32) -> u64 {
        let limit = u128::from(self.total) * u128::from(percent) / 100;
        let limit = u64::try_from(limit).unwrap_or(u64::MAX);
        let used = self.total.saturating_sub(self.free);
        self.free.min(limit.saturating_sub(used))
    }
}

/// Who makes claims.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Claimant {
    /// The process.
    pub pid: u32,
    /// When it began, in the kernel's ticks since boot: a later process may get the same number.
    pub started: u64,
    /// Tells several claimants in a process apart.
    pub desk: u64,
}

/// Memory that is promised to somebody.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Claim {
    /// To whom.
    pub claimant: Claimant,
    /// Which of the claimant's.
    pub number: u64,
    /// Bytes that are not taken yet.
    pub bytes: u64,
    /// Where, as the probe calls it.
    pub device: String,
}

/// A line: process, its beginning, desk, number, bytes, and the device to the end.
impl fmt::Display for Claim {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Claimant { pid, started, desk } = self.claimant;
        write!(
            f,
            "{pid} {started} {desk} {} {} {}",
            self.number, self.bytes, self.device
        )
    }
}

impl Claim {
    /// `None` for what is no such line.
    fn parse(line: &str) -> Option<Self> {
        let mut parts = line.splitn(6, ' ');
        let mut number = || parts.next()?.parse::<u64>().ok();
        let claimant = Claimant {
            pid: number()?.try_into().ok()?,
            started: number()?,
            desk: number()?,
        };
        Some(Claim {
            claimant,
            number: number()?,
            bytes: number()?,
            device: parts.next()?.to_owned(),
        })
    }
}

/// Why a claim is refused, in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shortage {
    /// What was asked for.
    pub need: u64,
    /// What there was.
    pub room: Room,
    /// Of what is free, promised to others.
    pub promised: u64,
    /// What could have been had.
    pub usable: u64,
}

/// All claims that are known.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Book(Vec<Claim>);

impl Book {
    /// Reads what `to_string` wrote. Lines that it cannot have written are left out.
    pub fn parse(text: &str) -> Self {
        Book(text.lines().filter_map(Claim::parse).collect())
    }

    /// Lets `claim` in, if no more than `percent` of the device are then in use or promised.
    ///
    /// # Errors
    /// What is missing.
    pub fn admit(&mut self, claim: Claim, room: Room, percent: u32) -> Result<(), Shortage> {
        let promised = self.promised(&claim.device);
        let usable = room.usable(percent).saturating_sub(promised);
        if claim.bytes > usable {
            return Err(Shortage {
                need: claim.bytes,
                room,
                promised,
                usable,
            });
        }
        self.0.push(claim);
        Ok(())
    }

    /// Bytes of `device` that are promised and not taken.
    pub fn promised(&self, device: &str) -> u64 {
        let on_it = self.0.iter().filter(|claim| claim.device == device);
        on_it.fold(0, |sum, claim| sum.saturating_add(claim.bytes))
    }

    /// The claim is about so many bytes from now on: the rest is taken, and the probe sees it. 0 ends it.
    pub fn settle(&mut self, claimant: Claimant, number: u64, bytes: u64) {
        for claim in &mut self.0 {
            if claim.claimant == claimant && claim.number == number {
                claim.bytes = bytes;
            }
        }
        self.0.retain(|claim| claim.bytes > 0);
    }

    /// Forgets the claims of those of whom `keep` says no.
    pub fn retain(&mut self, keep: impl Fn(&Claimant) -> bool) {
        self.0.retain(|claim| keep(&claim.claimant));
    }

    /// The claims of both.
    pub fn extend(&mut self, other: Book) {
        self.0.extend(other.0);
    }
}

impl fmt::Display for Book {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|claim| writeln!(f, "{claim}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn claim(pid: u32, number: u64, bytes: u64) -> Claim {
        Claim {
            claimant: Claimant {
                pid,
                started: 7,
                desk: 1,
            },
            number,
            bytes,
            device: "NVIDIA H200".into(),
        }
    }

    #[test]
    fn what_may_be_taken_leaves_the_share_that_is_asked_for() {
        for (percent, total, free, usable) in [
            (85, 100, 100, 85),
            (85, 100, 65, 50),
            (85, 100, 10, 0),
            (100, 100, 10, 10),
            (10, 1000, 950, 50),
            (85, 100, 200, 85),
            (85, 0, 0, 0),
            (100, u64::MAX, u64::MAX, u64::MAX),
        ] {
            assert_eq!(
                Room { total, free }.usable(percent),
                usable,
                "{percent} % of {total}, {free} free"
            );
        }
    }

    #[test]
    fn a_promise_is_kept_until_it_is_taken() {
        let room = Room {
            total: 1000,
            free: 1000,
        };
        let mut book = Book::default();
        book.admit(claim(1, 1, 500), room, 85).unwrap();
        let shortage = book.admit(claim(2, 1, 351), room, 85).unwrap_err();
        assert_eq!((shortage.promised, shortage.usable), (500, 350));
        book.admit(claim(2, 1, 350), room, 85).unwrap();
        // The first has loaded, and will take 100 more.
        book.settle(claim(1, 1, 0).claimant, 1, 100);
        assert_eq!(book.promised("NVIDIA H200"), 450);
        assert_eq!(book.promised("host"), 0, "another device");
        let room = Room {
            total: 1000,
            free: 600,
        };
        assert!(book.admit(claim(1, 2, 1), room, 85).is_err());
        book.settle(claim(2, 1, 0).claimant, 1, 0);
        book.admit(claim(1, 2, 350), room, 85).unwrap();
    }

    #[test]
    fn the_dead_claim_nothing() {
        let mut book = Book::default();
        let room = Room {
            total: 1000,
            free: 1000,
        };
        book.admit(claim(1, 1, 10), room, 85).unwrap();
        book.admit(claim(2, 1, 20), room, 85).unwrap();
        book.retain(|claimant| claimant.pid == 2);
        assert_eq!(book.promised("NVIDIA H200"), 20);
    }

    #[test]
    fn what_is_no_claim_is_left_out() {
        let text = "1 7 1 3 500 NVIDIA H200\n\nx\n1 7 1 3 -5 host\n99999999999 7 1 3 5 host\n1 7 1 3 5\n2 8 1 1 9 host\n";
        let book = Book::parse(text);
        assert_eq!(book.to_string(), "1 7 1 3 500 NVIDIA H200\n2 8 1 1 9 host\n");
    }

    proptest! {
        #[test]
        fn nobody_is_promised_more_than_there_is(asks in proptest::collection::vec(0_u64..400, 0..20), free in 0_u64..1000) {
            let room = Room { total: 1000, free };
            let mut book = Book::default();
            for (number, bytes) in asks.into_iter().enumerate() {
                let _ = book.admit(claim(1, number as u64, bytes), room, 85);
                prop_assert!(book.promised("NVIDIA H200") <= room.usable(85));
            }
        }

        #[test]
        fn any_text_is_a_book(text in "[0-9 a\n\u{fffd}]{0,200}") {
            let book = Book::parse(&text);
            prop_assert_eq!(Book::parse(&book.to_string()), book);
        }
    }
}
