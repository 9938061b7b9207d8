use std::io::Write;

use flate2::{Compression, write::GzEncoder};

use super::*;

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

fn inflate(stored: &[u8], chunk_bytes: usize, limit_mib: u64) -> (Vec<u8>, Result<(), Fault>) {
    let mut inflate = Inflate::new(Some(limit_mib));
    let mut inflated = Vec::new();
    for mut chunk in stored.chunks(chunk_bytes) {
        loop {
            match inflate.next(&mut chunk) {
                Ok(Some(block)) => {
                    assert!(block.len() <= BLOCK_BYTES);
                    inflated.extend_from_slice(block);
                }
                Ok(None) => break,
                Err(error) => return (inflated, Err(error)),
            }
        }
    }
    let end = inflate.finish();
    (inflated, end)
}

/// Long enough for several blocks, and compressible enough that one byte inflates to more than a block.
fn text() -> Vec<u8> {
    let mut text = vec![b' '; 3 * BLOCK_BYTES];
    text.extend((0..50_000u32).flat_map(|n| n.wrapping_mul(2_654_435_761).to_le_bytes()));
    text
}

#[test]
fn members_and_plain_text_are_read_completely_for_every_chunk_size() {
    let text = text();
    let members = [gzip(&text[..1000]), gzip(b""), gzip(&text[1000..])].concat();
    for chunk_bytes in [1, 2, 7, 4096, usize::MAX] {
        let (inflated, end) = inflate(&members, chunk_bytes, 4096);
        assert!(inflated == text && end.is_ok(), "{chunk_bytes}");
        let (inflated, end) = inflate(&text, chunk_bytes, 4096);
        assert!(inflated == text && end.is_ok(), "{chunk_bytes}");
    }
}

#[test]
fn bytes_before_a_break_precede_its_error() {
    let text = text();
    let whole = gzip(&text);
    let (inflated, end) = inflate(&whole[..whole.len() - 8], usize::MAX, 4096);
    assert!(inflated == text && matches!(end, Err(Fault::TruncatedGzip)));
    let mut wrong_crc = whole.clone();
    let at = wrong_crc.len() - 8;
    wrong_crc[at] ^= 1;
    let (inflated, end) = inflate(&wrong_crc, usize::MAX, 4096);
    assert!(inflated == text && matches!(end, Err(Fault::CorruptGzip { .. })));
}

#[test]
fn a_gzip_bomb_stops_at_the_limit() {
    let bomb = gzip(&vec![0; 3 * 1024 * 1024]);
    assert!(matches!(inflate(&bomb, 100, 2).1, Err(Fault::TooLarge { limit_mib: 2 })));
    let members = gzip(&vec![0; 1024 * 1024]).repeat(3);
    assert!(matches!(inflate(&members, 100, 2).1, Err(Fault::TooLarge { limit_mib: 2 })));
    assert!(inflate(&members, 100, 3).1.is_ok());
}

#[test]
fn bytes_after_the_last_member_are_an_error() {
    let (inflated, end) = inflate(&[gzip(b"{}"), b"PK".to_vec()].concat(), usize::MAX, 1);
    assert!(inflated == b"{}" && matches!(end, Err(Fault::TrailingBytes)));
}

#[test]
fn every_kind_of_header_is_read_for_every_chunk_size() {
    let builder = || flate2::GzBuilder::new().mtime(7);
    let builders = [
        builder(),
        builder().filename("x.json"),
        builder().comment("made by hand"),
        builder().extra(vec![7; 300]).filename("x").comment("y"),
    ];
    for builder in builders {
        let mut encoder = builder.write(Vec::new(), Compression::fast());
        encoder.write_all(b"{}").unwrap();
        let stored = encoder.finish().unwrap();
        for chunk_bytes in [1, 3, 11, usize::MAX] {
            let (inflated, end) = inflate(&stored, chunk_bytes, 1);
            assert!(inflated == b"{}" && end.is_ok(), "{chunk_bytes}");
        }
    }
    // With a checksum of the header, which flate2 does not write.
    let mut stored = gzip(b"{}");
    stored[3] = 2;
    let [low, high, ..] = crc32fast::hash(&stored[..10]).to_le_bytes();
    stored.splice(10..10, [low, high]);
    let (inflated, end) = inflate(&stored, 1, 1);
    assert!(inflated == b"{}" && end.is_ok());
    let mut wrong = stored.clone();
    wrong[11] ^= 1;
    assert!(matches!(inflate(&wrong, 1, 1).1, Err(Fault::CorruptGzip { .. })));
    // A reserved flag may announce a field that nobody knows.
    stored[3] |= 0x20;
    assert!(matches!(inflate(&stored, 1, 1).1, Err(Fault::CorruptGzip { .. })));
}

#[test]
fn an_endless_header_is_corrupt() {
    let mut endless = vec![GZIP, 0x8b, 8, 8, 0, 0, 0, 0, 0, 0];
    endless.resize(1 << 20, b'x');
    for chunk_bytes in [1, usize::MAX] {
        assert!(matches!(inflate(&endless, chunk_bytes, 1).1, Err(Fault::CorruptGzip { inflated_bytes: 0 })));
    }
    assert!(matches!(inflate(&[GZIP, 0], 1, 1).1, Err(Fault::CorruptGzip { .. })));
}
