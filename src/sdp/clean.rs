//! Makes of SDP as it is sent the SDP that the parser wants.
//!
//! Only four kinds of line matter to a stream of audio: `v=`, `c=`, `m=` and `a=`. All others are left
//! out, so that no mistake in them (a space in the user of `o=`, a missing `s=`, an odd `t=`) can cost a
//! call.

use super::{SDP_MAX, SdpError};

/// The lines that matter, with CRLF, in UTF-8.
pub(super) fn clean(sdp: &[u8]) -> Result<String, SdpError> {
    if sdp.len() > SDP_MAX {
        return Err(SdpError::TooLong);
    }
    let text: String = match std::str::from_utf8(sdp) {
        Ok(text) => text.to_owned(),
        // What is not UTF-8 is Latin-1, and never matters.
        Err(_) => sdp.iter().map(|&byte| char::from(byte)).collect(),
    };
    let mut lines = text.split(['\n', '\r']).map(str::trim).filter(|line| !line.is_empty());
    if lines.next().is_none_or(|first| !first.starts_with("v=0")) {
        return Err(SdpError::Malformed);
    }

    let mut clean = String::from("v=0\r\n");
    for line in lines {
        match line.split_once('=') {
            // Several spaces between the fields of a line count as one.
            Some((kind @ ("c" | "m"), value)) => {
                let fields: Vec<&str> = value.split_ascii_whitespace().collect();
                push(&mut clean, kind, &fields.join(" "));
            }
            Some(("a", value)) => push(&mut clean, "a", value.trim()),
            _ => {}
        }
    }
    Ok(clean)
}

fn push(clean: &mut String, kind: &str, value: &str) {
    clean.extend([kind, "=", value, "\r\n"]);
}
