//! INVITEs that take the place of another dialog (RFC 3891): the call goes on, as it is and where it is, with whoever sent it.
//!
//! ```text
//! phone A ═══ dialog ═══ us          the call, its leg, its seat, its script
//! phone B ── INVITE, Replaces ──▶ us
//! phone B ◀─────── 200 ────────── us: the leg's media are B's from now on
//! phone A ◀─────── BYE ────────── us
//! ```

use std::sync::Arc;

use rsipstack::dialog::dialog::Dialog;
use rsipstack::sip::StatusCode;
use rsipstack::transaction::transaction::Transaction;
use tokio::sync::mpsc;

use super::call::{Call, SIGNALS_MAX, Unanswered, line_of, refuse, set_up, signalling_address, start};
use super::caller;
use super::headers;
use super::inbound::Inbound;
use super::invitation::{Refusal, agree_timer, read_offer};
use super::living::{Lived, Named};
use super::media::MediaTerms;
use super::replaces::Replaces;
use super::states::Happened;
use super::terms::Terms;
use crate::call::{CallError, Replacer, Signal, TakeOver};
use crate::config::Trunk;

/// Answers an INVITE that names a dialog of ours.
pub(super) async fn take(
    inbound: &Arc<Inbound>,
    mut transaction: Transaction,
    replaces: Replaces,
) -> rsipstack::Result<()> {
    match Box::pin(prepare(inbound, &mut transaction, &replaces)).await {
        Ok((call, states, told)) => {
            start(inbound, transaction, call, states, told);
            Ok(())
        }
        Err(refusal) => refuse(inbound, &mut transaction, refusal).await,
    }
}

async fn prepare(
    inbound: &Arc<Inbound>,
    transaction: &mut Transaction,
    replaces: &Replaces,
) -> Result<(Call, Happened, mpsc::Receiver<Signal>), Refusal> {
    let line = line_of(inbound, transaction, None)?;
    let trunk = line.map(|line| &line.trunk);
    let by = replacer(inbound, transaction, trunk)?;
    let credentials = inbound.trunks.credentials(by.trunk.as_deref());
    let lived = find(inbound, replaces)?;

    let timer = agree_timer(&transaction.original, inbound.session_interval_min)?;
    let offer = read_offer(&inbound.counters, &transaction.original)?;
    let codecs = trunk.and_then(|trunk| trunk.codecs.as_ref()).unwrap_or(&inbound.codecs);
    let srtp = trunk.and_then(|trunk| trunk.srtp).unwrap_or(inbound.srtp);
    let (address, signalling) = (inbound.advertised.ip(), signalling_address(transaction));
    // A leg comes by a port of its own, or by that of the browsers, for life.
    let port = lived.rtp_port.ok_or(StatusCode::NotAcceptableHere)?;
    let mut terms = MediaTerms::new(address, port, codecs.as_slice().to_vec(), srtp, signalling)
        .map(Terms::from)
        .map_err(|_| StatusCode::ServerInternalError)?;
    let (description, media) = match &offer {
        Some(offer) => {
            let answered = terms.answer(offer).await;
            let (description, media) = answered.map_err(|e| e.refusal(&inbound.counters))?;
            (description, Some(media))
        }
        None => (terms.offer(), None),
    };

    let (signals, told) = mpsc::channel(SIGNALS_MAX);
    // There is room: nobody has put anything in.
    let _ = signals.try_send(Signal::Answer);
    let (dialog, states) = set_up(inbound, transaction)?;
    let id = dialog.id();
    if let Err(status) = replace(inbound, replaces, lived, TakeOver { by, media, signals }).await {
        inbound.dialogs.remove_dialog(&id);
        return Err(status.into());
    }
    // Its media are there already.
    let unanswered = Unanswered::Ready { description, media: None };
    let awaits = headers::cseq(&transaction.original).filter(|_| offer.is_none());
    let mut call = Call::ringing(inbound, lived.call, dialog, terms, timer, &transaction.original);
    call.answer_with(unanswered, awaits);
    call.is_taken_over();
    call.answers_challenges_with(credentials);
    Ok((call, states, told))
}

/// Who may take calls over: agents who have proved to be ones, and trunks.
fn replacer(
    inbound: &Inbound,
    transaction: &Transaction,
    trunk: Option<&Trunk>,
) -> Result<Replacer, Refusal> {
    let caller = caller::identify(inbound, transaction, trunk.map(|trunk| trunk.name.as_str()))?;
    Ok(Replacer { account: caller.account, trunk: trunk.map(|trunk| trunk.name.clone()) })
}

/// The call of the dialog that is named (RFC 3891 §3). One that rings cannot be replaced: to whom it rings is not its
/// caller's to say, and who calls us has nobody yet who could be taken from them.
fn find(inbound: &Inbound, replaces: &Replaces) -> Result<Lived, Refusal> {
    let lived = match inbound.living.named(&replaces.dialog) {
        Named::Living(lived) => lived,
        Named::Over => return Err(StatusCode::Decline.into()),
        Named::Nobody => return Err(StatusCode::CallTransactionDoesNotExist.into()),
    };
    let is_answered = match inbound.dialogs.get_dialog(&replaces.dialog) {
        Some(Dialog::Invite(dialog)) => dialog.state().is_confirmed() || dialog.state().waiting_ack(),
        Some(_) | None => false,
    };
    match (is_answered, replaces.early_only) {
        (false, _) => Err(StatusCode::CallTransactionDoesNotExist.into()),
        (true, true) => Err(StatusCode::BusyHere.into()),
        (true, false) => Ok(lived),
    }
}

/// Has the model give the call to its new far end; the old one is told by the task that lives its dialog.
async fn replace(
    inbound: &Inbound,
    replaces: &Replaces,
    lived: Lived,
    takes: TakeOver,
) -> Result<(), StatusCode> {
    // From here on the old dialog cannot end the call. If it just has, there is nothing to be taken.
    inbound.living.end(&replaces.dialog).ok_or(StatusCode::Decline)?;
    inbound.calls.take_over(lived.call, takes).await.map_err(|error| {
        inbound.living.begin(replaces.dialog.clone(), lived);
        if error == CallError::NotAllowed {
            StatusCode::Forbidden
        } else if matches!(error, CallError::NoCall | CallError::WrongState) {
            StatusCode::Decline
        } else {
            StatusCode::ServiceUnavailable
        }
    })
}
