//! The wanted objects of a bucket, so that a second search of it need not list them again.

use std::{
    mem,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use quarantine_alert::trail::log_file::S3Object;

/// They take about 25 MB.
const MAX_OBJECTS: usize = 100_000;

/// A clone knows the same objects.
#[derive(Clone, Default)]
pub struct Listed(Arc<Mutex<Known>>);

#[derive(Default)]
enum Known {
    /// The listing has not ended.
    Some(Vec<S3Object>),
    All(Vec<S3Object>),
    #[default]
    Nothing,
}

impl Listed {
    /// A listing begins.
    pub fn begin(&self) {
        *self.known() = Known::Some(Vec::new());
    }

    pub fn add(&self, objects: &[S3Object]) {
        let mut known = self.known();
        match &mut *known {
            Known::Some(some) if some.len() + objects.len() <= MAX_OBJECTS => some.extend_from_slice(objects),
            _ => *known = Known::Nothing,
        }
    }

    /// The listing has found everything.
    pub fn complete(&self) {
        let mut known = self.known();
        if let Known::Some(some) = &mut *known {
            *known = Known::All(mem::take(some));
        }
    }

    /// All objects. `None` if they were too many, or something could not be listed.
    pub fn take(&self) -> Option<Vec<S3Object>> {
        match mem::take(&mut *self.known()) {
            Known::All(all) => Some(all),
            Known::Some(_) | Known::Nothing => None,
        }
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_complete_listing_of_few_objects_is_known() {
        let objects = |count: usize| vec![S3Object::new("b".into(), "k".into(), None, None); count];
        let listed = Listed::default();
        listed.begin();
        listed.add(&objects(2));
        assert!(listed.clone().take().is_none(), "it is not complete");
        for (count, is_known) in [(0, true), (1, true), (MAX_OBJECTS, true), (MAX_OBJECTS + 1, false)] {
            listed.begin();
            objects(count).chunks(1000).for_each(|page| listed.add(page));
            listed.complete();
            assert_eq!(listed.take().map(|all| all.len()), is_known.then_some(count));
        }
        assert!(listed.take().is_none(), "it was taken");
    }
}
