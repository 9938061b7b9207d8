//! More items than memory holds, in order: sorted runs in temporary files, which are merged when they are read.

use std::{
    cmp::Ordering,
    collections::BinaryHeap,
    fs::File,
    io::{self, BufReader, BufWriter, Read, Seek, SeekFrom, Write},
    marker::PhantomData,
};

use serde::{Serialize, de::DeserializeOwned};

/// Collects items, and writes them to a temporary file each time memory has `most` of them.
pub struct Sorter<T> {
    items: Vec<T>,
    runs: Vec<File>,
    most: usize,
    /// Makes a temporary file. It is gone when it is closed.
    file: fn() -> io::Result<File>,
}

impl<T: Serialize + DeserializeOwned> Sorter<T> {
    pub fn new(most: usize, file: fn() -> io::Result<File>) -> Self {
        Sorter { items: Vec::new(), runs: Vec::new(), most, file }
    }

    /// # Errors
    /// The temporary folder has no room.
    pub fn push(&mut self, item: T, order: impl Fn(&T, &T) -> Ordering) -> io::Result<()> {
        self.items.push(item);
        if self.items.len() < self.most { Ok(()) } else { self.spill(order) }
    }

    fn spill(&mut self, order: impl Fn(&T, &T) -> Ordering) -> io::Result<()> {
        self.items.sort_by(order);
        let mut run = BufWriter::new((self.file)()?);
        for item in self.items.drain(..) {
            let bytes = postcard::to_stdvec(&item).map_err(io::Error::other)?;
            let length = u32::try_from(bytes.len()).map_err(io::Error::other)?;
            run.write_all(&length.to_le_bytes())?;
            run.write_all(&bytes)?;
        }
        self.runs.push(run.into_inner().map_err(io::IntoInnerError::into_error)?);
        Ok(())
    }

    /// # Errors
    /// As [`Sorter::push`].
    pub fn finish(mut self, order: impl Fn(&T, &T) -> Ordering) -> io::Result<Sorted<T>> {
        if self.runs.is_empty() {
            self.items.sort_by(order);
        } else {
            self.spill(order)?;
        }
        Ok(Sorted { items: self.items, runs: self.runs })
    }
}

/// Items in order: all in memory, or all in runs.
#[derive(Debug)]
pub struct Sorted<T> {
    items: Vec<T>,
    runs: Vec<File>,
}

impl<T: DeserializeOwned> Sorted<T> {
    /// Visits all items, as often as it is called.
    ///
    /// # Errors
    /// Those of `visit`, or the temporary file cannot be read.
    pub fn each<E: From<io::Error>>(
        &self,
        order: impl Fn(&T, &T) -> Ordering,
        mut visit: impl FnMut(&T) -> Result<(), E>,
    ) -> Result<(), E> {
        self.items.iter().try_for_each(&mut visit)?;
        self.merged(&order, |item| visit(&item))
    }

    /// # Errors
    /// As [`Sorted::each`].
    pub fn into_each<E: From<io::Error>>(
        mut self,
        order: impl Fn(&T, &T) -> Ordering,
        mut visit: impl FnMut(T) -> Result<(), E>,
    ) -> Result<(), E> {
        std::mem::take(&mut self.items).into_iter().try_for_each(&mut visit)?;
        self.merged(&order, visit)
    }

    fn merged<E: From<io::Error>>(
        &self,
        order: &dyn Fn(&T, &T) -> Ordering,
        mut visit: impl FnMut(T) -> Result<(), E>,
    ) -> Result<(), E> {
        let mut heads = BinaryHeap::new();
        for run in &self.runs {
            heads.extend(Run::open(run)?.head(order)?);
        }
        while let Some(Head { item, run, .. }) = heads.pop() {
            visit(item)?;
            heads.extend(run.head(order)?);
        }
        Ok(())
    }
}

/// The rest of a run.
struct Run<'f, T> {
    file: BufReader<&'f File>,
    items: PhantomData<T>,
}

impl<'f, T: DeserializeOwned> Run<'f, T> {
    fn open(mut file: &'f File) -> io::Result<Self> {
        file.seek(SeekFrom::Start(0))?;
        Ok(Run { file: BufReader::new(file), items: PhantomData })
    }

    /// The next item, with what follows it.
    fn head<'o>(mut self, order: &'o dyn Fn(&T, &T) -> Ordering) -> io::Result<Option<Head<'f, 'o, T>>> {
        let mut length = [0; 4];
        match self.file.read_exact(&mut length) {
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(None),
            read => read?,
        }
        let mut bytes = vec![0; u32::from_le_bytes(length) as usize];
        self.file.read_exact(&mut bytes)?;
        let item = postcard::from_bytes(&bytes).map_err(io::Error::other)?;
        Ok(Some(Head { item, run: self, order }))
    }
}

/// The first item of a run. The heap has the smallest of all heads on top.
struct Head<'f, 'o, T> {
    item: T,
    run: Run<'f, T>,
    order: &'o dyn Fn(&T, &T) -> Ordering,
}

impl<T> Ord for Head<'_, '_, T> {
    fn cmp(&self, other: &Self) -> Ordering {
        (self.order)(&other.item, &self.item)
    }
}

impl<T> PartialOrd for Head<'_, '_, T> {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl<T> PartialEq for Head<'_, '_, T> {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl<T> Eq for Head<'_, '_, T> {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn items_in_files_and_in_memory_come_out_in_order() {
        for (count, most) in [(0, 4), (3, 4), (4, 4), (1000, 7), (1000, 1), (1000, 5000)] {
            let mut sorter = Sorter::new(most, tempfile::tempfile);
            let items: Vec<u64> = (0..count).map(|number: u64| number * 7919 % 1009).collect();
            items.iter().for_each(|&item| sorter.push(item, u64::cmp).unwrap());
            let sorted = sorter.finish(u64::cmp).unwrap();
            assert_eq!(sorted.runs.is_empty(), count < most as u64);
            let mut expected = items;
            expected.sort_unstable();
            for _ in 0..2 {
                let mut found = Vec::new();
                let visit = |&item: &u64| {
                    found.push(item);
                    Ok::<_, io::Error>(())
                };
                sorted.each(u64::cmp, visit).unwrap();
                assert_eq!(found, expected, "{count} {most}");
            }
            let mut found = Vec::new();
            let visit = |item| {
                found.push(item);
                Ok::<_, io::Error>(())
            };
            sorted.into_each(u64::cmp, visit).unwrap();
            assert_eq!(found, expected, "{count} {most}");
        }
    }

    #[test]
    fn a_file_that_cannot_be_read_is_an_error_and_not_the_end() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let only_written = File::options().write(true).open(file.path()).unwrap();
        let order = |a: &u64, b: &u64| a.cmp(b);
        assert!(Run::open(file.as_file()).unwrap().head(&order).unwrap().is_none());
        assert!(Run::<u64>::open(&only_written).unwrap().head(&order).is_err());
    }

    #[test]
    fn a_full_disk_is_an_error() {
        let mut sorter = Sorter::new(2, || Err(io::Error::from(io::ErrorKind::StorageFull)));
        sorter.push(1, u64::cmp).unwrap();
        assert_eq!(sorter.push(2, u64::cmp).unwrap_err().kind(), io::ErrorKind::StorageFull);
    }
}
