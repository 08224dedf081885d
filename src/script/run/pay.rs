//! Pay: asks for one item after the other, as often as it takes, and hands all to the connector. The keys are captured from
//! the first prompt to the end: nobody else learns them, nor does the rest of the script.

use std::collections::HashMap;
use std::time::Duration;

use tokio::time::Instant;

use super::super::verbs::pay::{Pay, PayStage, pay_word};
use super::super::verbs::{Playable, Prompt, Repeat, Say};
use super::announce::{ONCE, told};
use super::wait::Woken;
use super::{Flow, Runner, method, parameters};
use crate::call::VoiceUrl;
use crate::pay::{
    Capture, Field, Given, Mistake, Outcome, PayError, Step, Taking, Terms, Told, of_connector, of_items,
    of_outcome, of_terms,
};

/// How often anything is asked in all, whatever goes wrong: each of twelve items, three times.
const ASKED_MAX: u32 = 36;

/// No connector of the name.
const NO_CONNECTOR: u32 = 64_004;
/// Payments cannot be taken now.
const UNAVAILABLE: u32 = 64_002;

/// What came of asking.
enum Asked {
    Step(Step),
    Gone(Flow),
}

/// How a payment went, as far as its caller made it.
enum Went {
    Over(Outcome),
    Gone(Flow),
}

impl Runner {
    pub(super) async fn pay(&mut self, pay: &Pay) -> Flow {
        if let Err(flow) = self.answer().await {
            return flow;
        }
        let terms = match &pay.terms {
            Ok(terms) => terms.clone(),
            Err(error) => {
                self.note(error.code, &error.to_string());
                return self.go_to(&pay.action, failed("validation-error", &error.to_string(), error.code));
            }
        };
        let payments = self.scripts.payments.clone();
        let mut taking = match payments.take(&self.call, terms.clone()).await {
            Ok(taking) => taking,
            Err(error) => {
                let (result, code) = match &error {
                    PayError::NoConnector(_) => ("validation-error", NO_CONNECTOR),
                    PayError::UnderWay
                    | PayError::NoPayment
                    | PayError::NotNow(_)
                    | PayError::KeyUsed
                    | PayError::Call(_)
                    | PayError::Memory(_)
                    | PayError::Unavailable => ("internal-error", UNAVAILABLE),
                };
                self.note(code, &format!("No payment is taken: {error}."));
                return self.go_to(&pay.action, failed(result, &format!("{error}."), code));
            }
        };
        let status = self.status_of(pay);
        let went = match self.take(pay, &mut taking, status.as_ref()).await {
            Went::Over(outcome) => (outcome, None),
            Went::Gone(flow) => (Outcome::Given(Given::HungUp), Some(flow)),
        };
        self.paid(pay, &terms, taking, went, status).await
    }

    /// Where it is told how far it got.
    fn status_of(&self, pay: &Pay) -> Option<VoiceUrl> {
        let status = pay.status.as_ref()?;
        let url = self.resolve(&status.target)?;
        Some(VoiceUrl { url: url.into(), method: method(status.method) })
    }

    /// From the first item to the connector's answer.
    async fn take(&mut self, pay: &Pay, taking: &mut Taking, status: Option<&VoiceUrl>) -> Went {
        let mut attempts: HashMap<Field, u32> = HashMap::new();
        let mut mistake = None;
        for _ in 0..ASKED_MAX {
            let Some(&capture) = taking.payment().required().first() else {
                return self.submit(pay, taking, status).await;
            };
            let attempt = attempts.entry(capture.field).or_default();
            // To type it again is the same attempt.
            if !capture.is_matcher {
                *attempt += 1;
            }
            let attempt = *attempt;
            if attempt > pay.attempts_max {
                break;
            }
            self.tell_of_pay(taking, status, PayStage::Item(capture.field), attempt, mistake);
            let step = match taking.payment_mut().capture(capture) {
                Ok(None) => match self.ask(pay, taking, capture, attempt, mistake).await {
                    Asked::Step(step) => step,
                    Asked::Gone(flow) => return Went::Gone(flow),
                },
                Ok(Some(step)) => step,
                Err(_) => return Went::Over(Outcome::Given(Given::Internal)),
            };
            mistake = match step {
                Step::Failed(_, mistake) => Some(mistake),
                Step::Over(given) => return Went::Over(Outcome::Given(given)),
                Step::Captured(_) | Step::Typed(_) | Step::Confirm | Step::Unconfirmed | Step::Submit => None,
            };
        }
        Went::Over(Outcome::Given(Given::TooManyAttempts))
    }

    /// Asks for an item, and waits for it.
    async fn ask(
        &mut self,
        pay: &Pay,
        taking: &mut Taking,
        capture: Capture,
        attempt: u32,
        mistake: Option<Mistake>,
    ) -> Asked {
        let stage = PayStage::Item(capture.field);
        let brand = taking.payment().brand();
        let fits = |again| {
            let mut fitting = pay.prompts.iter();
            fitting.find(|prompt| prompt.fits(stage, again, attempt, mistake, brand))
        };
        // What is written for nothing special serves in its place.
        let prompts = fits(capture.is_matcher)
            .or_else(|| {
                let mut plain = pay.prompts.iter().filter(|prompt| prompt.errors.is_empty());
                plain.find(|prompt| prompt.fits(stage, capture.is_matcher, attempt, None, brand))
            })
            .map_or_else(|| vec![usual(pay, capture, mistake)], |prompt| prompt.prompts.clone());
        for prompt in &prompts {
            match self.pay_prompt(prompt, taking).await {
                // A key: nobody listens any more.
                Some(Asked::Step(Step::Typed(_))) => break,
                Some(asked) => return asked,
                None => {}
            }
        }
        taking.prompts_ended();
        loop {
            tokio::select! {
                woken = self.wait(None, None) => if let Woken::Gone(flow) = woken {
                    return Asked::Gone(flow);
                },
                step = taking.next() => if !matches!(step, Step::Typed(_)) {
                    return Asked::Step(step);
                },
            }
        }
    }

    /// Plays a prompt until it is over or a key is pressed.
    async fn pay_prompt(&mut self, prompt: &Prompt, taking: &mut Taking) -> Option<Asked> {
        let (sound, repeat) = match prompt {
            Prompt::Say(say) => (self.spoken(say).await, say.repeat),
            Prompt::Play(play) => match &play.what {
                Playable::Sound(target) => (self.sound(target).await?, play.repeat),
                Playable::Keys(_) => return None,
            },
            Prompt::Pause(pause) => return self.pay_pause(pause.length, taking).await,
            Prompt::Impossible(error) => {
                self.note(error.code, &error.message);
                return None;
            }
        };
        let Some(player) = self.begin_playing(sound, repeat).await else {
            return Some(Asked::Gone(Flow::Over));
        };
        loop {
            tokio::select! {
                woken = self.wait(Some(player), None) => match woken {
                    Woken::Played => return None,
                    Woken::Gone(flow) => {
                        self.stop_playing().await;
                        return Some(Asked::Gone(flow));
                    }
                    Woken::Key(_) | Woken::Time | Woken::Left | Woken::Other(_) => {}
                },
                step = taking.next() => {
                    self.stop_playing().await;
                    return Some(Asked::Step(step));
                }
            }
        }
    }

    async fn pay_pause(&mut self, length: Duration, taking: &mut Taking) -> Option<Asked> {
        let until = Some(Instant::now() + length);
        loop {
            tokio::select! {
                woken = self.wait(None, until) => match woken {
                    Woken::Time => return None,
                    Woken::Gone(flow) => return Some(Asked::Gone(flow)),
                    Woken::Played | Woken::Key(_) | Woken::Left | Woken::Other(_) => {}
                },
                step = taking.next() => return Some(Asked::Step(step)),
            }
        }
    }

    /// Hands it to the connector, while the caller hears that it is under way.
    async fn submit(&mut self, pay: &Pay, taking: &mut Taking, status: Option<&VoiceUrl>) -> Went {
        self.tell_of_pay(taking, status, PayStage::Processing, 1, None);
        if taking.payment_mut().complete() != Ok(Step::Submit) {
            return Went::Over(Outcome::Given(Given::Internal));
        }
        let brand = taking.payment().brand();
        let fitting =
            pay.prompts.iter().find(|prompt| prompt.fits(PayStage::Processing, false, 1, None, brand));
        let prompts = match fitting {
            Some(prompt) => prompt.prompts.clone(),
            None => vec![spoken(pay, "Please wait while your payment is being processed.")],
        };
        Went::Over(taking.submit(self.processing(&prompts)).await)
    }

    /// Plays what is heard meanwhile. What happens to the call is seen when the connector has answered.
    async fn processing(&mut self, prompts: &[Prompt]) {
        for prompt in prompts {
            let (sound, repeat) = match prompt {
                Prompt::Say(say) => (Some(self.spoken(say).await), say.repeat),
                Prompt::Play(play) => match &play.what {
                    Playable::Sound(target) => (self.sound(target).await, play.repeat),
                    Playable::Keys(_) => (None, ONCE),
                },
                Prompt::Pause(_) | Prompt::Impossible(_) => (None, ONCE),
            };
            if let Some(sound) = sound {
                self.begin_playing(sound, repeat).await;
            }
        }
    }

    /// Closes it, and goes on with what `action` says.
    async fn paid(
        &mut self,
        pay: &Pay,
        terms: &Terms,
        taking: Taking,
        (outcome, gone): (Outcome, Option<Flow>),
        status: Option<VoiceUrl>,
    ) -> Flow {
        let mut facts = of_terms(taking.payment());
        facts.extend(of_items(taking.payment(), "*", None));
        facts.extend(of_outcome(&outcome, terms.amount.is_some()));
        if let Outcome::Done(receipt) = &outcome {
            facts.extend(of_connector(receipt));
        }
        let last = status.map(|to| {
            let mut all = parameters::of(&self.call);
            all.extend(facts.clone());
            (to, all)
        });
        taking.close(&outcome, last).await;
        match gone {
            None if outcome != Outcome::Given(Given::HungUp) => self.go_to(&pay.action, facts),
            // The application is told, and whatever it answers comes too late.
            None | Some(Flow::Over) => {
                if let Ok(call) = self.scripts.calls.fetch_call(self.call.sid).await {
                    self.call = call;
                }
                if let Flow::Goto(errand) = self.go_to(&pay.action, facts) {
                    self.fetch(*errand).await;
                }
                Flow::Over
            }
            Some(flow) => flow,
        }
    }

    fn tell_of_pay(
        &self,
        taking: &mut Taking,
        status: Option<&VoiceUrl>,
        stage: PayStage,
        attempt: u32,
        mistake: Option<Mistake>,
    ) {
        let Some(to) = status else {
            return;
        };
        let mut all = parameters::of(&self.call);
        all.push(told("For", stage.word()));
        all.push(told("Attempt", attempt));
        if let Some(mistake) = mistake {
            all.push(told("ErrorType", pay_word(mistake)));
        }
        all.extend(of_terms(taking.payment()));
        all.extend(of_items(taking.payment(), "*", None));
        taking.tell(to, all, false);
    }
}

fn failed(result: &str, message: &str, code: u32) -> Told {
    vec![told("Result", result), told("PaymentError", message), told("PayErrorCode", code)]
}

/// What is said if the document does not say it.
fn usual(pay: &Pay, capture: Capture, mistake: Option<Mistake>) -> Prompt {
    let item = match capture.field {
        Field::CardNumber => "your card number",
        Field::ExpirationDate => "the month and the year in which your card expires, two digits each",
        Field::SecurityCode => "the security code of your card",
        Field::PostalCode => "your postal code, and then the hash key",
        Field::RoutingNumber => "the nine digits of your bank's routing number",
        Field::AccountNumber => "your account number, and then the hash key",
    };
    let before = match mistake {
        None => "",
        Some(Mistake::InputTimeout) => "Nothing more was entered. ",
        Some(Mistake::CardType) => "Cards of this kind are not accepted. ",
        Some(Mistake::Matching) => "These were not the same. ",
        Some(
            Mistake::CardNumber
            | Mistake::Date
            | Mistake::SecurityCode
            | Mistake::PostalCode
            | Mistake::RoutingNumber
            | Mistake::AccountNumber
            | Mistake::Sequence,
        ) => "That is not right. ",
    };
    let again = if capture.is_matcher { " again" } else { "" };
    spoken(pay, &format!("{before}Please enter {item}{again}."))
}

fn spoken(pay: &Pay, text: &str) -> Prompt {
    let (text, language) = (text.to_owned(), pay.language.clone());
    Prompt::Say(Say { text, voice: None, language, repeat: Repeat::ONCE })
}
