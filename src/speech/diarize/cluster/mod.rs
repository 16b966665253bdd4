//! Embeddings of windows → the speakers of the whole recording.

mod agglomerate;
mod blocks;
mod dendrogram;
mod kmeans;
mod linkage;
mod sticky;
mod variational;
mod vbx;
mod voices;

pub use agglomerate::agglomerate;
pub(super) use agglomerate::{absorb, cut_elsewhere};
pub use blocks::Blocks;
pub use dendrogram::{Dendrogram, Merge};
pub use kmeans::k_means;
pub use linkage::{Linkage, Points, centroid_linkage, link};
pub use sticky::{Sticky, stick};
pub use variational::{Variational, cluster_variationally};
pub use vbx::{Posterior, VbxConfig, vbx};
pub use voices::Voices;

/// How many speakers there may be.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Bounds {
    /// Exactly so many; the other two do not count then.
    pub exactly: Option<u32>,
    /// At least so many.
    pub at_least: Option<u32>,
    /// At most so many; not less than `at_least`.
    pub at_most: Option<u32>,
}

impl Bounds {
    /// The least and the greatest number of clusters of `voices` voices. 0 is as good as unset.
    pub fn of(&self, voices: usize) -> (usize, usize) {
        let set = |bound: Option<u32>| bound.filter(|b| *b > 0).map(|b| b as usize);
        let exactly = set(self.exactly);
        let least = exactly.or(set(self.at_least)).unwrap_or(1);
        let most = exactly.or(set(self.at_most)).unwrap_or(usize::MAX);
        let least = least.clamp(1, voices.max(1));
        (least, most.max(least).clamp(1, voices.max(1)))
    }

    /// The greatest number of speakers that may be active at once.
    pub fn at_once(&self) -> u64 {
        self.of(usize::MAX).1 as u64
    }

    /// The number of clusters to aim at when `found` of `voices` voices were found; `None` when that is fine.
    pub fn wanted(&self, found: usize, voices: usize) -> Option<usize> {
        let (least, most) = self.of(voices);
        let wanted = found.clamp(least, most);
        (wanted != found).then_some(wanted)
    }
}

/// Numbers without gaps, in the same order.
fn renumber(clusters: Vec<usize>) -> Vec<usize> {
    let mut new = vec![0; clusters.iter().max().map_or(0, |last| last + 1)];
    clusters.iter().for_each(|cluster| new[*cluster] = 1);
    let mut next = 0;
    for used in &mut new {
        next += std::mem::replace(used, next);
    }
    clusters.into_iter().map(|cluster| new[cluster]).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bounds_fit_what_there_is() {
        let bounds = |exactly, at_least, at_most| Bounds {
            exactly,
            at_least,
            at_most,
        };
        for (bounds, voices, expected) in [
            (bounds(None, None, None), 10, (1, 10)),
            (bounds(Some(3), Some(5), Some(1)), 10, (3, 3)),
            (bounds(Some(3), None, None), 2, (2, 2)),
            (bounds(None, Some(2), Some(4)), 10, (2, 4)),
            (bounds(None, Some(6), Some(4)), 10, (6, 6)),
            (bounds(Some(0), Some(0), Some(0)), 10, (1, 10)),
            (bounds(None, None, None), 0, (1, 1)),
        ] {
            assert_eq!(bounds.of(voices), expected, "{bounds:?} of {voices}");
        }
        assert_eq!(bounds(None, Some(2), Some(4)).wanted(5, 10), Some(4));
        assert_eq!(bounds(None, Some(2), Some(4)).wanted(3, 10), None);
        assert_eq!(bounds(None, Some(2), Some(4)).at_once(), 4);
    }

    #[test]
    fn numbers_close_up() {
        assert_eq!(renumber(vec![5, 2, 5, 9]), [1, 0, 1, 2]);
        assert_eq!(renumber(vec![]), Vec::<usize>::new());
    }
}
