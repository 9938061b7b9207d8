//! Random numbers that a seed repeats: SplitMix64.

pub struct Random(u64);

impl Random {
    pub fn new(seed: u64) -> Random {
        Random(seed)
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// A number from 0 to `end` - 1.
    pub fn below(&mut self, end: usize) -> usize {
        (self.next() % end as u64) as usize
    }

    pub fn percent(&mut self, percent: usize) -> bool {
        self.below(100) < percent
    }

    pub fn pick<'a, T>(&mut self, all: &'a [T]) -> &'a T {
        &all[self.below(all.len())]
    }

    /// An id in the form of a UUID.
    pub fn id(&mut self) -> String {
        let [high, low] = [self.next(), self.next()];
        let [a, b, c] = [high >> 32, (high >> 16) & 0xffff, high & 0xffff];
        format!("{a:08x}-{b:04x}-{c:04x}-{:04x}-{:012x}", low >> 48, low & 0xffff_ffff_ffff)
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
