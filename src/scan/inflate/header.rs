//! The length of a gzip member's header, from the bytes that have arrived (RFC 1952, section 2.3).

/// The first byte of a gzip member; no JSON begins with it.
pub(super) const GZIP: u8 = 0x1f;

/// The length of a member's header. `None` if more of it must arrive first.
pub(super) fn header_bytes(header: &[u8]) -> Result<Option<usize>, ()> {
    const FIXED: usize = 10;
    const CHECKSUM: u8 = 2;
    const EXTRA: u8 = 4;
    const NAME: u8 = 8;
    const COMMENT: u8 = 16;
    let begins_right = header.iter().zip([GZIP, 0x8b, 8]).all(|(&byte, expected)| byte == expected);
    if !begins_right {
        return Err(());
    }
    if header.len() < FIXED {
        return Ok(None);
    }
    let flags = header[3];
    let mut at = FIXED;
    if flags & EXTRA != 0 {
        let Some(&[low, high]) = header.get(at..at + 2) else { return Ok(None) };
        at += 2 + usize::from(u16::from_le_bytes([low, high]));
    }
    for text in [NAME, COMMENT] {
        if flags & text != 0 {
            let Some(end) = header.get(at..).and_then(|rest| rest.iter().position(|&byte| byte == 0)) else {
                return Ok(None);
            };
            at += end + 1;
        }
    }
    if flags & CHECKSUM != 0 {
        at += 2;
    }
    Ok(Some(at).filter(|&at| at <= header.len()))
}
