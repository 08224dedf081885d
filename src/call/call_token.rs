//! Call tokens: what a webhook of a call that came in hands out, so that its application may place a call in the name of
//! that caller. A token is made from the call and a key of the node's, so nothing is kept of one that nobody uses; it is
//! good for as long as the node runs.

use std::fmt::Write;

use hmac::{Hmac, Mac};
use sha1::Sha1;
use zeroize::Zeroizing;

use super::sid::{AccountSid, CallSid};
use super::view::CallView;

/// Between the call and the code in a token.
const MARK: char = '.';

/// Makes call tokens and knows its own.
pub struct CallTokens {
    key: Zeroizing<[u8; 32]>,
}

impl CallTokens {
    /// With a key of its own.
    ///
    /// # Errors
    /// When the system has no entropy.
    pub fn new() -> Result<Self, getrandom::Error> {
        let mut key = Zeroizing::new([0; 32]);
        getrandom::fill(&mut *key)?;
        Ok(Self { key })
    }

    /// The token of a call that came in.
    pub fn of(&self, call: &CallView) -> String {
        let mut token = format!("{}{MARK}", call.sid);
        for byte in self.code(call.sid, call.account, &call.from).finalize().into_bytes() {
            write!(token, "{byte:02x}").expect("a String takes all that is written to it");
        }
        token
    }

    /// Whether a token permits calls of this account in the name of `caller`: it is of a call to the account, and they
    /// called.
    pub fn permit(&self, token: &str, account: AccountSid, caller: &str) -> bool {
        let Some((call, code)) = token.split_once(MARK) else {
            return false;
        };
        match (call.parse(), bytes(code)) {
            // Compared in constant time.
            (Ok(call), Some(code)) => self.code(call, account, caller).verify_slice(&code).is_ok(),
            _ => false,
        }
    }

    /// What nobody computes without the key. Neither SID can hold a line's end, so no two calls have the same.
    fn code(&self, call: CallSid, account: AccountSid, caller: &str) -> Hmac<Sha1> {
        let mut mac =
            Hmac::<Sha1>::new_from_slice(&*self.key).expect("HMAC takes a key of any length (RFC 2104 §2)");
        mac.update(format!("{call}\n{account}\n{caller}").as_bytes());
        mac
    }
}

/// Bytes from hexadecimal digits.
fn bytes(digits: &str) -> Option<Vec<u8>> {
    let pairs = digits.as_bytes().chunks(2);
    pairs.map(|pair| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok()).collect()
}

#[cfg(test)]
mod tests {
    use chrono::Utc;
    use proptest::prelude::*;

    use super::super::scripted;
    use super::*;

    fn tokens() -> CallTokens {
        CallTokens::new().expect("entropy")
    }

    #[test]
    fn a_token_permits_its_caller_to_its_account_and_nothing_else() {
        let (tokens, call) = (tokens(), scripted::call("+4930123", "+442071234567", Utc::now()));
        let token = tokens.of(&call);
        assert!(tokens.permit(&token, call.account, "+4930123"));
        assert!(!tokens.permit(&token, call.account, "+4930124"));
        assert!(!tokens.permit(&token, AccountSid::generate(), "+4930123"));
        assert!(
            !tokens.permit(&CallTokens::new().expect("entropy").of(&call), call.account, "+4930123"),
            "another node's"
        );
        let other = scripted::call("+4930123", "+442071234567", Utc::now());
        let (_, code) = token.split_once(MARK).expect("two parts");
        assert!(!tokens.permit(&format!("{}{MARK}{code}", other.sid), call.account, "+4930123"));
    }

    proptest! {
        #[test]
        fn what_is_no_token_permits_nothing(text in ".*", cut in 0_usize..74) {
            let (tokens, call) = (tokens(), scripted::call("a", "b", Utc::now()));
            prop_assert!(!tokens.permit(&text, call.account, "a"));
            prop_assert!(!tokens.permit(&tokens.of(&call)[..cut], call.account, "a"));
        }
    }
}
