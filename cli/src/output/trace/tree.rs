//! The identities as a tree: each below the one that it came from.

use quarantine_alert::trace::identities::Identities;

/// A line of the tree.
pub struct Branch {
    /// The number of the identity.
    pub at: usize,
    /// The box characters in front of it.
    pub lines: String,
    /// How many identities are above it.
    pub depth: usize,
}

/// A chain of any length is shown, but only this many levels are drawn.
const MAX_DRAWN: usize = 16;

/// All identities from the top down.
pub fn branches(identities: &Identities) -> Vec<Branch> {
    let children = identities.children();
    let roots = (0..identities.list.len()).filter(|&at| identities.list[at].parent.is_none());
    // With the indentation of what is below, so that no recursion is needed.
    let mut waiting: Vec<(Branch, String)> =
        roots.map(|at| (Branch { at, lines: String::new(), depth: 0 }, String::new())).collect();
    waiting.reverse();
    let mut branches = Vec::new();
    while let Some((branch, indent)) = waiting.pop() {
        let below = children.get(&branch.at).map_or(&[][..], Vec::as_slice);
        let depth = branch.depth + 1;
        for (place, &at) in below.iter().enumerate().rev() {
            let is_last = place + 1 == below.len();
            let line = if is_last { "└─ " } else { "├─ " };
            let lines = if depth > MAX_DRAWN {
                format!("{indent}… {depth} levels down: ")
            } else {
                format!("{indent}{line}")
            };
            let below = match (depth >= MAX_DRAWN, is_last) {
                (true, _) => indent.clone(),
                (false, true) => format!("{indent}   "),
                (false, false) => format!("{indent}│  "),
            };
            waiting.push((Branch { at, lines, depth }, below));
        }
        branches.push(branch);
    }
    branches
}
