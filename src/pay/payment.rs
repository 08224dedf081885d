//! One payment: what is asked for, what comes of the keys, until it is handed to the connector and over. A state machine
//! without a clock: whoever runs it says what was pressed and what time it is.
//!
//! ```text
//!            capture            press, time: whole, wrong, `#`
//!   Idle ───────────▶ Capturing ─────────────────────────────▶ Idle
//!    │ complete                                 `*`, anywhere before Submitting ─▶ Over
//!    ├──────────▶ Confirming ── 1 ──▶ Submitting ── answered ──▶ Over
//!    └───────────────────────────────────▲             2, cancel, hang-up ────▶ Over
//! ```
//!
//! An item ends by its length, by `#`, or when nothing more came for a while; then it is looked at. What is wrong is
//! forgotten, and can be asked for again, as can what is right. With the end everything is forgotten.

use std::io;
use std::time::Instant;

use chrono::{DateTime, Utc};
use confab_media::Digit;

use super::brand::Brand;
use super::check::{self, DATE_DIGITS, Mistake, ROUTING_DIGITS};
use super::field::{Capture, Field};
use super::terms::Terms;
use super::vault::{Typed, Vault};

/// How long a caller has to say whether the last digits are right: they take their card out once more.
const CONFIRM_PATIENCE: std::time::Duration = std::time::Duration::from_secs(15);

/// The digits of a card of no known brand: nearly all have as many.
const CARD_DIGITS: usize = 16;

/// A payment under way.
#[derive(Debug)]
pub struct Payment {
    terms: Terms,
    vault: Vault,
    brand: Option<Brand>,
    /// What was typed and is right, in the order in which it came.
    captured: Vec<Capture>,
    stage: Stage,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    /// Nothing is asked for.
    Idle,
    /// The caller types this. Once the wait counts: since when nothing came.
    Capturing(Capture, Option<Instant>),
    /// The caller is asked whether all is right; likewise.
    Confirming(Option<Instant>),
    /// The connector has it.
    Submitting,
    Over,
}

/// What has happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// A digit of this came.
    Typed(Capture),
    /// It is whole and right.
    Captured(Capture),
    /// It is wrong, and forgotten.
    Failed(Capture, Mistake),
    /// The caller is to be told the last digits, and asked to press 1 if they are right and 2 if not.
    Confirm,
    /// They pressed neither for too long.
    Unconfirmed,
    /// All is there: it goes to the connector.
    Submit,
    /// It is over, and the connector was not asked.
    Over(Given),
}

/// Why a payment was given up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Given {
    /// The caller pressed `*`.
    Star,
    /// The call is over, or has gone elsewhere.
    HungUp,
    /// The application, or the caller, did not want it any more.
    Cancelled,
    /// The caller was asked as often as they should be.
    TooManyAttempts,
    /// A defect of the node.
    Internal,
}

/// Why something cannot be done now.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotNow {
    /// Some of it has not been typed.
    #[error("there is still to be typed: {}", words(.0))]
    Incomplete(Vec<Capture>),
    /// It is not among what this payment has.
    #[error("this payment has no {}", .0.word())]
    NotAsked(Capture),
    /// The connector has it.
    #[error("the payment is with the connector")]
    Submitted,
    /// It is over.
    #[error("the payment is over")]
    Over,
}

/// Items as the API lists them.
pub(super) fn words(captures: &[Capture]) -> String {
    captures.iter().map(|capture| capture.word()).collect::<Vec<_>>().join(",")
}

impl Payment {
    /// One of which nothing was typed.
    ///
    /// # Errors
    /// When the system has no memory for it.
    pub fn new(terms: Terms) -> io::Result<Self> {
        let captured = Vec::with_capacity(2 * Field::ALL.len());
        Ok(Self { terms, vault: Vault::new()?, brand: None, captured, stage: Stage::Idle })
    }

    /// What it was begun with.
    pub const fn terms(&self) -> &Terms {
        &self.terms
    }

    /// The brand of the card that was typed.
    pub const fn brand(&self) -> Option<Brand> {
        self.brand
    }

    /// Whether its memory is never swapped out.
    pub const fn is_locked(&self) -> bool {
        self.vault.is_locked()
    }

    /// Whether no core dump can hold it.
    pub fn is_out_of_dumps(&self) -> bool {
        self.vault.is_out_of_dumps()
    }

    /// Whether nothing more comes of it.
    pub fn is_over(&self) -> bool {
        self.stage == Stage::Over
    }

    /// What has still to be typed.
    pub fn required(&self) -> Vec<Capture> {
        self.terms.required().filter(|capture| !self.captured.contains(capture)).collect()
    }

    /// Whether this was typed and is right.
    pub fn has(&self, capture: Capture) -> bool {
        self.captured.contains(&capture)
    }

    /// What was typed of an item, whole or not.
    pub(super) fn typed(&self, capture: Capture) -> Typed<'_> {
        self.vault.typed(capture)
    }

    /// From now on the caller types this, whatever they typed before: what there is of it is forgotten.
    ///
    /// # Errors
    /// [`NotNow`]; nothing is forgotten then.
    pub fn capture(&mut self, capture: Capture) -> Result<Option<Step>, NotNow> {
        self.open()?;
        if !self.terms.has(capture) {
            return Err(NotNow::NotAsked(capture));
        }
        self.stop_capturing();
        self.forget(capture);
        let is_early = capture.field == Field::SecurityCode && self.brand.is_none();
        let is_alone = capture.is_matcher && !self.has(Capture::of(capture.field));
        if is_early {
            return Ok(Some(Step::Failed(capture, Mistake::Sequence)));
        }
        if is_alone {
            return Ok(Some(Step::Failed(capture, Mistake::Matching)));
        }
        self.stage = Stage::Capturing(capture, None);
        Ok(None)
    }

    /// The caller has heard what they are to do: the wait begins, if no key has begun it. Without this it begins with the
    /// first key, since whoever asks them is on the line.
    pub fn prompts_ended(&mut self, now: Instant) {
        match &mut self.stage {
            Stage::Capturing(_, since) | Stage::Confirming(since) => {
                since.get_or_insert(now);
            }
            Stage::Idle | Stage::Submitting | Stage::Over => {}
        }
    }

    /// A key was pressed. Nothing comes of one that has no meaning here.
    pub fn press(&mut self, key: Digit, now: Instant, today: DateTime<Utc>) -> Option<Step> {
        match (self.stage, key.expose()) {
            (Stage::Submitting | Stage::Over, _) => None,
            (_, '*') => Some(self.give_up(Given::Star)),
            (Stage::Confirming(_), '1') => Some(self.submit()),
            (Stage::Confirming(_), '2') => Some(self.give_up(Given::Cancelled)),
            (Stage::Capturing(capture, _), '#') => {
                // One that was pressed behind the item before, which had ended by itself.
                let is_empty = self.vault.typed(capture).is_empty();
                (!is_empty).then(|| self.look_at(capture, today))
            }
            (Stage::Capturing(capture, _), '0'..='9') => {
                self.vault.push(capture, key);
                self.stage = Stage::Capturing(capture, Some(now));
                Some(if self.is_full(capture) { self.look_at(capture, today) } else { Step::Typed(capture) })
            }
            (Stage::Idle | Stage::Capturing(..) | Stage::Confirming(_), _) => None,
        }
    }

    /// When [`Payment::time`] is to be said next.
    pub fn deadline(&self) -> Option<Instant> {
        match self.stage {
            Stage::Capturing(_, since) => since.map(|since| since + self.terms.timeout),
            Stage::Confirming(since) => since.map(|since| since + CONFIRM_PATIENCE),
            Stage::Idle | Stage::Submitting | Stage::Over => None,
        }
    }

    /// It is `now`. What was typed is looked at if nothing more came for as long as there was.
    pub fn time(&mut self, now: Instant, today: DateTime<Utc>) -> Option<Step> {
        self.deadline().filter(|deadline| *deadline <= now)?;
        match self.stage {
            Stage::Capturing(capture, _) => Some(match self.look_at(capture, today) {
                // Nothing whole: it is the time that was too short.
                Step::Failed(_, mistake) if !matches!(mistake, Mistake::CardType | Mistake::Matching) => {
                    Step::Failed(capture, Mistake::InputTimeout)
                }
                step @ (Step::Typed(_)
                | Step::Captured(_)
                | Step::Failed(..)
                | Step::Confirm
                | Step::Unconfirmed
                | Step::Submit
                | Step::Over(_)) => step,
            }),
            Stage::Confirming(_) => {
                self.stage = Stage::Idle;
                Some(Step::Unconfirmed)
            }
            Stage::Idle | Stage::Submitting | Stage::Over => None,
        }
    }

    /// Everything is to be handed to the connector, after the caller was asked if they are to be.
    ///
    /// # Errors
    /// [`NotNow`]; the payment goes on as it was.
    pub fn complete(&mut self) -> Result<Step, NotNow> {
        self.open()?;
        let missing = self.required();
        if !missing.is_empty() {
            return Err(NotNow::Incomplete(missing));
        }
        self.stop_capturing();
        if self.terms.confirmation {
            self.stage = Stage::Confirming(None);
            return Ok(Step::Confirm);
        }
        Ok(self.submit())
    }

    /// Gives it up and forgets everything.
    ///
    /// # Errors
    /// [`NotNow`]: what the connector has cannot be called back.
    pub fn cancel(&mut self, why: Given) -> Result<Step, NotNow> {
        self.open()?;
        Ok(self.give_up(why))
    }

    /// The connector has answered, or was not reached: everything is forgotten.
    pub fn finish(&mut self) {
        self.captured.clear();
        self.brand = None;
        self.vault.empty();
        self.stage = Stage::Over;
    }

    fn open(&self) -> Result<(), NotNow> {
        match self.stage {
            Stage::Idle | Stage::Capturing(..) | Stage::Confirming(_) => Ok(()),
            Stage::Submitting => Err(NotNow::Submitted),
            Stage::Over => Err(NotNow::Over),
        }
    }

    fn submit(&mut self) -> Step {
        self.stage = Stage::Submitting;
        Step::Submit
    }

    fn give_up(&mut self, why: Given) -> Step {
        self.finish();
        Step::Over(why)
    }

    /// What was begun and is not whole is forgotten.
    fn stop_capturing(&mut self) {
        if let Stage::Capturing(capture, _) = self.stage {
            self.vault.clear(capture);
        }
        self.stage = Stage::Idle;
    }

    /// Forgets an item, and what depends on it.
    fn forget(&mut self, capture: Capture) {
        self.vault.clear(capture);
        self.captured.retain(|other| *other != capture);
        if capture.is_matcher {
            return;
        }
        self.drop_one(Capture::again(capture.field));
        if capture.field == Field::CardNumber {
            self.brand = None;
        }
    }

    fn drop_one(&mut self, capture: Capture) {
        self.vault.clear(capture);
        self.captured.retain(|other| *other != capture);
    }

    /// Whether an item has as many digits as end it.
    fn is_full(&self, capture: Capture) -> bool {
        let typed = self.vault.typed(capture);
        let full = match capture.field {
            Field::CardNumber => Brand::of(typed.expose()).map_or(CARD_DIGITS, Brand::usual_length),
            Field::ExpirationDate => DATE_DIGITS,
            Field::SecurityCode => self.brand.map_or(3, Brand::security_code_length),
            Field::RoutingNumber => ROUTING_DIGITS,
            // Of these each has as many as it likes.
            Field::PostalCode | Field::AccountNumber => return false,
        };
        typed.len() >= full
    }

    /// The item is whole, or nothing more comes of it.
    fn look_at(&mut self, capture: Capture, today: DateTime<Utc>) -> Step {
        self.stage = Stage::Idle;
        let checked = self.check(capture, today);
        match checked {
            Ok(()) => {
                self.captured.push(capture);
                Step::Captured(capture)
            }
            Err(mistake) => {
                self.forget(capture);
                if mistake == Mistake::Matching {
                    // Nobody knows which of the two is wrong.
                    self.forget(Capture::of(capture.field));
                }
                Step::Failed(capture, mistake)
            }
        }
    }

    fn check(&mut self, capture: Capture, today: DateTime<Utc>) -> Result<(), Mistake> {
        if capture.is_matcher {
            return if self.vault.matches(capture.field) { Ok(()) } else { Err(Mistake::Matching) };
        }
        let typed = self.vault.typed(capture);
        match capture.field {
            Field::CardNumber => {
                let brand = check::card(typed.expose(), self.terms.brands)?;
                self.take_brand(brand);
                Ok(())
            }
            Field::ExpirationDate => check::date(typed.expose(), today),
            Field::SecurityCode => {
                let brand = self.brand.ok_or(Mistake::Sequence)?;
                check::security_code(typed.len(), brand)
            }
            Field::PostalCode => check::postal_code(typed.len(), self.terms.postal_code_length),
            Field::RoutingNumber => check::routing_number(typed.expose()),
            Field::AccountNumber => check::account_number(typed.len()),
        }
    }

    /// Another card may have a security code of another length.
    fn take_brand(&mut self, brand: Brand) {
        self.brand = Some(brand);
        let code = Capture::of(Field::SecurityCode);
        if self.has(code) && self.vault.typed(code).len() != brand.security_code_length() {
            self.forget(code);
        }
    }
}

#[cfg(test)]
#[path = "payment_tests.rs"]
mod tests;
