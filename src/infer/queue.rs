//! In which order the requests of several sessions reach the one model that they share. Pure.

use std::collections::VecDeque;

/// A request is overtaken by later ones so often at most: eight streams on one model are what sharing is made for, and each
/// of the seven others may go first once.
const MOST_OVERTAKEN: u32 = 8;

/// Who is due first goes first; who has no deadline goes in the order of arrival, and cannot be overtaken for ever. A
/// session waits for its answer before it asks again, so the order of arrival is also a turn for everyone.
#[derive(Debug)]
pub(super) struct Queue<D, T> {
    /// In order of arrival.
    waiting: VecDeque<Waiting<D, T>>,
}

#[derive(Debug)]
struct Waiting<D, T> {
    ticket: u64,
    due: Option<D>,
    overtaken: u32,
    item: T,
}

impl<D: Ord + Copy, T> Queue<D, T> {
    pub const fn new() -> Self {
        Queue {
            waiting: VecDeque::new(),
        }
    }

    /// Adds `item`; it can be asked back by its `ticket`.
    pub fn push(&mut self, ticket: u64, due: Option<D>, item: T) {
        self.waiting.push_back(Waiting {
            ticket,
            due,
            overtaken: 0,
            item,
        });
    }

    /// Whose turn it is.
    pub fn pop(&mut self) -> Option<T> {
        let next = self.next();
        let chosen = self.waiting.remove(next)?;
        for earlier in self.waiting.iter_mut().take(next) {
            earlier.overtaken += 1;
        }
        Some(chosen.item)
    }

    /// The item of this ticket, if it still waits.
    pub fn withdraw(&mut self, ticket: u64) -> Option<T> {
        let at = self.waiting.iter().position(|w| w.ticket == ticket)?;
        self.waiting.remove(at).map(|w| w.item)
    }

    #[cfg(test)]
    pub fn len(&self) -> usize {
        self.waiting.len()
    }

    /// All that waits, in order of arrival.
    pub fn drain(&mut self) -> impl Iterator<Item = T> {
        self.waiting.drain(..).map(|w| w.item)
    }

    fn next(&self) -> usize {
        let late = self.waiting.iter().position(|w| w.overtaken >= MOST_OVERTAKEN);
        let due = || {
            let due = self
                .waiting
                .iter()
                .enumerate()
                .filter_map(|(at, w)| Some((w.due?, at)));
            due.min().map(|(_, at)| at)
        };
        late.or_else(due).unwrap_or(0)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn queue(items: &[(Option<u32>, char)]) -> Queue<u32, char> {
        let mut queue = Queue::new();
        for (ticket, (due, item)) in (0..).zip(items) {
            queue.push(ticket, *due, *item);
        }
        queue
    }

    fn rest(mut queue: Queue<u32, char>) -> String {
        std::iter::from_fn(|| queue.pop()).collect()
    }

    #[test]
    fn deadlines_go_first_and_the_rest_in_turn() {
        let order = rest(queue(&[
            (None, 'a'),
            (Some(30), 'x'),
            (None, 'b'),
            (Some(10), 'y'),
            (Some(30), 'z'),
        ]));
        assert_eq!(order, "yxzab");
    }

    #[test]
    fn what_is_withdrawn_is_gone() {
        let mut queue = queue(&[(None, 'a'), (None, 'b')]);
        assert_eq!((queue.withdraw(0), queue.withdraw(0)), (Some('a'), None));
        assert_eq!(rest(queue), "b");
    }

    #[test]
    fn nobody_is_overtaken_for_ever() {
        let mut queue = queue(&[(None, 'a')]);
        let served = (1..).position(|ticket| {
            // A live stream that always has something due.
            queue.push(ticket, Some(0), 'x');
            queue.pop() == Some('a')
        });
        assert_eq!(served, Some(MOST_OVERTAKEN as usize));
    }

    proptest! {
        /// Each of `sessions` asks again as soon as it is answered: nobody gets more than one turn more than another who
        /// has no deadline, and all get some, whoever is live.
        #[test]
        fn every_session_gets_its_turn(live in proptest::collection::vec(any::<bool>(), 1..12), turns in 200_u64..400) {
            let mut queue = Queue::new();
            let mut served = vec![0_u64; live.len()];
            let due = |now: u64, session: usize| live[session].then_some(now);
            for session in 0..live.len() {
                queue.push(session as u64, due(0, session), session);
            }
            for now in 1..=turns {
                let session = queue.pop().unwrap();
                served[session] += 1;
                queue.push(now + 100, due(now, session), session);
            }
            let patient: Vec<u64> = (0..live.len()).filter(|s| !live[*s]).map(|s| served[s]).collect();
            let fewest = patient.iter().min().copied().unwrap_or(0);
            prop_assert!(patient.iter().all(|n| *n <= fewest + 1), "{patient:?}");
            let least = turns / (live.len() as u64 * u64::from(MOST_OVERTAKEN + 1)) - 1;
            prop_assert!(served.iter().all(|n| *n >= least), "{served:?}, at least {least}");
        }
    }
}
