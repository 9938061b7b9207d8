//! Random numbers that a seed repeats.

use proptest::{
    prelude::RngCore,
    test_runner::{RngAlgorithm, TestRng},
};
use uuid::Builder;

pub struct Random(TestRng);

impl Random {
    pub fn new(seed: u64) -> Random {
        Random(TestRng::from_seed(RngAlgorithm::ChaCha, &[seed.to_le_bytes(); 4].concat()))
    }

    /// A number from 0 to `end` - 1.
    pub fn below(&mut self, end: usize) -> usize {
        (self.0.next_u64() % end as u64) as usize
    }

    pub fn percent(&mut self, percent: usize) -> bool {
        self.below(100) < percent
    }

    pub fn pick<'a, T>(&mut self, all: &'a [T]) -> &'a T {
        &all[self.below(all.len())]
    }

    /// A UUID.
    pub fn id(&mut self) -> String {
        let mut bytes = [0; 16];
        self.0.fill_bytes(&mut bytes);
        Builder::from_random_bytes(bytes).into_uuid().to_string()
    }

    /// The id of a long-term access key.
    pub fn access_key(&mut self) -> String {
        let characters: Vec<char> = ('A'..='Z').chain('2'..='7').collect();
        let end: String = (0..16).map(|_| *self.pick(&characters)).collect();
        format!("AKIA{end}")
    }
}

#[test]
fn a_seed_repeats_its_numbers() {
    let ids = |seed| {
        let mut random = Random::new(seed);
        (0..100).map(|_| random.id() + &random.access_key()).collect::<Vec<_>>()
    };
    assert_eq!(ids(7), ids(7));
    assert_ne!(ids(7), ids(8));
}
