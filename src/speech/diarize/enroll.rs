//! Known people: whose voice is near to an enrolled one carries that name, the others `SPEAKER_00` and so on.

use std::collections::HashMap;
use std::sync::Arc;

use super::direction::Direction;
use super::{Embedding, Speaker, Turn, pairs};

/// The voices that are enrolled.
#[derive(Clone, Debug, Default)]
pub struct Voices {
    people: Vec<(Arc<str>, Direction)>,
    threshold: f32,
}

impl Voices {
    /// People with their voices; from the cosine distance `threshold` on (0 to 2) somebody is somebody else. Several
    /// voices under one name are averaged; a voice that is all zeros or no number is left out.
    pub fn new(voices: Vec<(String, Embedding)>, threshold: f32) -> Self {
        let mut sums: Vec<(Arc<str>, Embedding)> = Vec::new();
        for (name, voice) in voices {
            let Some(voice) = Direction::of(&voice) else {
                continue;
            };
            match sums
                .iter_mut()
                .find(|(known, sum)| **known == *name && sum.len() == voice.values().len())
            {
                Some((_, sum)) => sum.iter_mut().zip(voice.values()).for_each(|(a, b)| *a += b),
                None => sums.push((name.into(), voice.values().to_vec())),
            }
        }
        let person = |(name, sum): (Arc<str>, Embedding)| Some((name, Direction::of(&sum)?));
        Voices {
            people: sums.into_iter().filter_map(person).collect(),
            threshold,
        }
    }

    /// Gives the speakers of a whole recording their names, in `speakers` and `turns`. Two speakers never get one
    /// name, and the pairs together are the nearest. Those without a name are numbered anew among themselves, in
    /// order of their first turn.
    pub fn name(&self, speakers: &mut [Speaker], turns: &mut [Turn]) {
        let first_turn = |speaker: &Speaker| {
            let of_it = turns.iter().filter(|turn| turn.speaker == speaker.label);
            of_it.map(|turn| turn.start).min().unwrap_or(u64::MAX)
        };
        let mut order: Vec<usize> = (0..speakers.len()).collect();
        order.sort_by_key(|i| first_turn(&speakers[*i]));
        let voices: Vec<Option<Direction>> = order
            .iter()
            .map(|i| Direction::of(&speakers[*i].embedding))
            .collect();
        let mut labels = Labels::new(self.clone());
        let named = labels.pairs(&voices);
        let mut renamed = HashMap::new();
        for (i, person) in order.into_iter().zip(named) {
            let label = labels.take(person);
            let old = std::mem::replace(&mut speakers[i].label, label.clone());
            renamed.insert(old, label);
        }
        for turn in turns {
            if let Some(label) = renamed.get(&turn.speaker) {
                turn.speaker = label.clone();
            }
        }
    }
}

/// Gives out labels, each once.
#[derive(Clone, Debug, Default)]
pub struct Labels {
    voices: Voices,
    /// Of the voices: is the name given out?
    taken: Vec<bool>,
    numbered: usize,
}

impl Labels {
    /// None is given out yet.
    pub fn new(voices: Voices) -> Self {
        Labels {
            taken: vec![false; voices.people.len()],
            voices,
            numbered: 0,
        }
    }

    /// A label for the next speaker: the name of the nearest voice that is enrolled and not given out, or a number.
    pub fn next(&mut self, voice: Option<&Direction>) -> Arc<str> {
        let person = self.pairs(&[voice.cloned()])[0];
        self.take(person)
    }

    /// The enrolled voice of each speaker, as an index, among those not given out.
    fn pairs(&self, speakers: &[Option<Direction>]) -> Vec<Option<usize>> {
        let people = || self.voices.people.iter().zip(&self.taken);
        let distance =
            |speaker: &Option<Direction>, (person, taken): (&(Arc<str>, Direction), &bool)| match speaker {
                Some(voice) if !taken => voice.distance(&person.1),
                _ => f32::INFINITY,
            };
        let row = |speaker| people().map(|person| distance(speaker, person)).collect();
        let distances: Vec<Vec<f32>> = speakers.iter().map(row).collect();
        pairs::below(&distances, self.voices.threshold)
    }

    fn take(&mut self, person: Option<usize>) -> Arc<str> {
        if let Some(person) = person {
            // A name may stand there twice, with voices of two models.
            let name = self.voices.people[person].0.clone();
            for (taken, (other, _)) in self.taken.iter_mut().zip(&self.voices.people) {
                *taken |= *other == name;
            }
            return name;
        }
        loop {
            let label = format!("SPEAKER_{:02}", self.numbered);
            self.numbered += 1;
            // Somebody may be enrolled as SPEAKER_00.
            if self.voices.people.iter().all(|(name, _)| **name != *label) {
                return label.into();
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(degrees: f32) -> Embedding {
        vec![2.0 * degrees.to_radians().cos(), 2.0 * degrees.to_radians().sin()]
    }

    fn voices(people: &[(&str, f32)]) -> Voices {
        let people = people
            .iter()
            .map(|(name, degrees)| ((*name).to_owned(), at(*degrees)));
        Voices::new(people.collect(), 0.3)
    }

    /// Speakers at these angles, each with one turn, in this order; their labels.
    #[track_caller]
    fn check(voices: &Voices, speakers: &[f32], expected: &[&str]) {
        let old = |i: usize| -> Arc<str> { format!("SPEAKER_{i:02}").into() };
        // The speakers come in another order than their turns.
        let mut found: Vec<Speaker> = (0..speakers.len())
            .rev()
            .map(|i| Speaker {
                label: old(i),
                embedding: at(speakers[i]),
                speech: 1,
            })
            .collect();
        let mut turns: Vec<Turn> = (0..speakers.len())
            .map(|i| Turn {
                speaker: old(i),
                start: i as u64,
                end: 100,
                confidence: 1.0,
            })
            .collect();
        voices.name(&mut found, &mut turns);
        let labels: Vec<&str> = turns.iter().map(|turn| &*turn.speaker).collect();
        assert_eq!(labels, expected, "{speakers:?}");
        found.reverse();
        let labels: Vec<&str> = found.iter().map(|speaker| &*speaker.label).collect();
        assert_eq!(labels, expected, "{speakers:?}");
    }

    #[test]
    fn the_known_carry_their_names_and_the_others_numbers() {
        let two = voices(&[("Ana", 0.0), ("Bob", 90.0)]);
        check(
            &two,
            &[200.0, 80.0, 5.0, 300.0],
            &["SPEAKER_00", "Bob", "Ana", "SPEAKER_01"],
        );
        check(&two, &[46.0, 130.0], &["SPEAKER_00", "Bob"]);
        check(&voices(&[]), &[0.0, 90.0], &["SPEAKER_00", "SPEAKER_01"]);
        check(&two, &[], &[]);
    }

    #[test]
    fn two_speakers_never_get_one_name() {
        let one = voices(&[("Ana", 0.0)]);
        check(&one, &[10.0, 0.0], &["SPEAKER_00", "Ana"]);
        // Ana is the nearest to both, and together they are nearest so.
        check(
            &voices(&[("Ana", 0.0), ("Bob", 40.0)]),
            &[15.0, -5.0],
            &["Bob", "Ana"],
        );
    }

    #[test]
    fn several_voices_of_a_person_are_averaged() {
        let ana = voices(&[("Ana", -40.0), ("Ana", 40.0), ("Bob", 180.0)]);
        check(&ana, &[0.0, 180.0], &["Ana", "Bob"]);
    }

    #[test]
    fn a_name_that_looks_like_a_number_is_given_once() {
        check(
            &voices(&[("SPEAKER_00", 0.0)]),
            &[90.0, 0.0, 180.0],
            &["SPEAKER_01", "SPEAKER_00", "SPEAKER_02"],
        );
    }

    #[test]
    fn live_a_name_is_gone_once_it_is_given_out() {
        let direction = |degrees| Direction::of(&at(degrees));
        let mut labels = Labels::new(voices(&[("Ana", 0.0), ("Bob", 90.0)]));
        for (degrees, expected) in [
            (20.0, "Ana"),
            (0.0, "SPEAKER_00"),
            (250.0, "SPEAKER_01"),
            (91.0, "Bob"),
        ] {
            assert_eq!(&*labels.next(direction(degrees).as_ref()), expected);
        }
        assert_eq!(&*labels.next(None), "SPEAKER_02");
    }

    #[test]
    fn odd_voices_are_nobodys() {
        let odd = vec![
            ("Zero".to_owned(), vec![0.0, 0.0]),
            ("Nan".to_owned(), vec![f32::NAN, 1.0]),
            ("Other model".to_owned(), vec![1.0, 0.0, 0.0]),
            ("Ana".to_owned(), at(0.0)),
            ("Ana".to_owned(), vec![1.0, 0.0, 0.0]),
        ];
        let mut labels = Labels::new(Voices::new(odd, 0.3));
        let ana = Direction::of(&at(0.0));
        assert_eq!(&*labels.next(ana.as_ref()), "Ana");
        assert_eq!(&*labels.next(ana.as_ref()), "SPEAKER_00");
    }
}
