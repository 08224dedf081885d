//! The API over the real model, whose media thread stands still.

use crate::call::Limits;
use crate::call::stalled::Stalled;

use super::Node;

#[tokio::test(start_paused = true)]
async fn a_full_ring_of_commands_is_answered_with_503_and_when_to_try_again() {
    let stalled =
        Stalled::start(Limits { calls: 10, participants: 10, talkers: 10, lasting: Default::default() })
            .await;
    stalled.fill_ring().await;
    let node = Node::over(stalled.handle.clone());
    let conference = format!("{}/Conferences/{}", node.prefix(), stalled.conference);
    let participant = format!("{conference}/Participants/{}.json", stalled.call);

    let answer = node.send("POST", &participant, Some("Muted=false")).await;
    answer.assert_error(503, 20503);
    assert_eq!(answer.header("retry-after"), "1");
    let quality = node.send("GET", &format!("/v1/calls/{}/quality", stalled.call), None).await;
    quality.assert_error(503, 20503);
    // Of that nothing was done: the mutes that filled the ring stand. And what needs no media thread still works.
    let shown = node.send("GET", &participant, None).await;
    assert_eq!(shown.ok()["muted"], true);
}
