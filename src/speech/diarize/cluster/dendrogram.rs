//! The tree that agglomerative clustering leaves, and how it is cut into clusters.

/// Two clusters became one. Leaves are numbered from 0; merge `i` makes node `leaves + i`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Merge {
    /// The node with the smaller number.
    pub left: usize,
    /// The other.
    pub right: usize,
    /// How far apart they were.
    pub height: f64,
    /// Embeddings in the new cluster.
    pub weight: u32,
}

/// The merges, in the order in which they were made.
#[derive(Clone, Debug, PartialEq)]
pub struct Dendrogram {
    leaves: usize,
    merges: Vec<Merge>,
}

impl Dendrogram {
    /// Nothing merged yet.
    pub fn new(leaves: usize) -> Self {
        Self {
            leaves,
            merges: Vec::with_capacity(leaves.saturating_sub(1)),
        }
    }

    /// Adds the next merge.
    pub fn push(&mut self, merge: Merge) {
        self.merges.push(merge);
    }

    /// All so far.
    pub fn merges(&self) -> &[Merge] {
        &self.merges
    }

    /// The cluster of each leaf when nothing is joined above `height`, numbered as scipy's `fcluster` does.
    ///
    /// With centroid linkage a merge can be lower than those that it is made of; what counts is the highest in the
    /// whole branch.
    pub fn cut(&self, height: f64) -> Vec<usize> {
        let mut highest: Vec<f64> = Vec::with_capacity(self.merges.len());
        for merge in &self.merges {
            let below = [merge.left, merge.right].into_iter();
            let below = below
                .filter_map(|node| node.checked_sub(self.leaves))
                .map(|m| highest[m]);
            highest.push(below.fold(merge.height, f64::max));
        }
        self.flat(|merge| highest[merge] <= height)
    }

    /// The cluster of each leaf after the first `merges`, numbered in the same way.
    pub fn cut_after(&self, merges: usize) -> Vec<usize> {
        self.flat(|merge| merge < merges)
    }

    /// Walks down from the roots, left before right; a node that `is_joined` is one cluster with all below it. Like
    /// scipy, counts the leaves of a node behind the branches beside them.
    fn flat(&self, is_joined: impl Fn(usize) -> bool) -> Vec<usize> {
        enum Visit {
            /// A node and the cluster above it.
            Node(usize, Option<usize>),
            Leaf(usize, Option<usize>),
        }
        let mut cluster_of = vec![0; self.leaves];
        let mut clusters = 0;
        let mut new_cluster = || {
            clusters += 1;
            clusters - 1
        };
        let mut stack: Vec<Visit> = self.roots().rev().map(|root| Visit::Node(root, None)).collect();
        while let Some(visit) = stack.pop() {
            match visit {
                Visit::Leaf(leaf, cluster) => cluster_of[leaf] = cluster.unwrap_or_else(&mut new_cluster),
                Visit::Node(node, cluster) => {
                    let Some(merge) = node.checked_sub(self.leaves) else {
                        stack.push(Visit::Leaf(node, cluster));
                        continue;
                    };
                    let cluster = cluster.or_else(|| is_joined(merge).then(&mut new_cluster));
                    let Merge { left, right, .. } = self.merges[merge];
                    let (leaves, branches): (Vec<_>, Vec<_>) =
                        [left, right].into_iter().partition(|node| *node < self.leaves);
                    stack.extend(leaves.into_iter().rev().map(|leaf| Visit::Leaf(leaf, cluster)));
                    stack.extend(branches.into_iter().rev().map(|node| Visit::Node(node, cluster)));
                }
            }
        }
        cluster_of
    }

    /// Nodes that belong to no merge, in order: one when the tree is whole.
    fn roots(&self) -> impl DoubleEndedIterator<Item = usize> {
        let mut is_root = vec![true; self.leaves + self.merges.len()];
        for merge in &self.merges {
            is_root[merge.left] = false;
            is_root[merge.right] = false;
        }
        let nodes = is_root.into_iter().enumerate().collect::<Vec<_>>().into_iter();
        nodes.filter(|(_, is_root)| *is_root).map(|(node, _)| node)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tree(leaves: usize, merges: &[(usize, usize, f64)]) -> Dendrogram {
        let mut dendrogram = Dendrogram::new(leaves);
        for (left, right, height) in merges {
            dendrogram.push(Merge {
                left: *left,
                right: *right,
                height: *height,
                weight: 2,
            });
        }
        dendrogram
    }

    #[test]
    fn clusters_are_what_is_joined_below_the_cut() {
        // {0, 1} at 1, {2, 3} at 2, all but 4 at 3, all at 5
        let tree = tree(5, &[(0, 1, 1.0), (2, 3, 2.0), (5, 6, 3.0), (4, 7, 5.0)]);
        for (height, clusters) in [
            // scipy counts a leaf behind the branch beside it
            (0.5, [0, 1, 2, 3, 4]),
            (1.0, [0, 0, 1, 2, 3]),
            (2.5, [0, 0, 1, 1, 2]),
            (3.0, [0, 0, 0, 0, 1]),
            (5.0, [0; 5]),
        ] {
            assert_eq!(tree.cut(height), clusters, "cut at {height}");
        }
        assert_eq!(tree.cut_after(2), tree.cut(2.5));
        assert_eq!(tree.cut_after(9), [0; 5]);
    }

    #[test]
    fn a_merge_that_is_lower_than_its_parts_is_cut_with_them() {
        let tree = tree(4, &[(0, 1, 2.0), (2, 4, 1.5), (3, 5, 4.0)]);
        for (height, clusters) in [(1.7, [0, 1, 2, 3]), (2.0, [0, 0, 0, 1]), (4.0, [0; 4])] {
            assert_eq!(tree.cut(height), clusters, "cut at {height}");
        }
    }

    #[test]
    fn what_is_not_merged_stays_alone() {
        assert_eq!(tree(3, &[]).cut(9.0), [0, 1, 2]);
        assert_eq!(tree(3, &[(1, 2, 1.0)]).cut(9.0), [0, 1, 1]);
        assert_eq!(tree(1, &[]).cut(0.0), [0]);
        assert_eq!(tree(0, &[]).cut(0.0), Vec::<usize>::new());
    }
}
