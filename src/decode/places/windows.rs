//! Numbers that may be a coordinate near one of several places, as a sorted list of intervals: one look that spares nearly every
//! number the rest.

/// Disjoint closed intervals, sorted.
#[derive(Debug, Default)]
pub(super) struct Windows(Vec<(f64, f64)>);

impl Windows {
    /// Adds intervals, given by their ends in either order.
    pub(super) fn add(&mut self, intervals: impl IntoIterator<Item = (f64, f64)>) {
        self.0.extend(intervals.into_iter().map(|(a, b)| (a.min(b), a.max(b))));
        self.0.sort_by(|a, b| a.0.total_cmp(&b.0));
        let mut merged: Vec<(f64, f64)> = Vec::with_capacity(self.0.len());
        for (start, end) in self.0.drain(..) {
            match merged.last_mut() {
                Some(last) if start <= last.1 => last.1 = last.1.max(end),
                _ => merged.push((start, end)),
            }
        }
        self.0 = merged;
    }

    /// Whether a number lies in one of them.
    pub(super) fn hold(&self, value: f64) -> bool {
        let after = self.0.partition_point(|(start, _)| *start <= value);
        after.checked_sub(1).and_then(|at| self.0.get(at)).is_some_and(|(_, end)| value <= *end)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn overlapping_intervals_become_one() {
        let mut windows = Windows::default();
        windows.add([(5.0, 4.0), (1.0, 2.0)]);
        windows.add([(1.5, 3.0)]);
        let held = [0.9, 1.0, 2.5, 3.0, 3.5, 4.2, 5.1].map(|value| windows.hold(value));
        assert_eq!(held, [false, true, true, true, false, true, false]);
    }
}
