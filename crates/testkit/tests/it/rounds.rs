//! A few rounds of real crashes; `./x rounds` runs as many as are wanted.

use fieldstone_testkit::rounds::Rounds;

#[test]
fn nothing_is_lost_when_everything_crashes() {
    let mut rounds = Rounds::start(7);
    for _ in 0..4 {
        rounds.round();
    }
    assert!(rounds.figures.confirmed > 0, "{:?}", rounds.figures);
}
