//! An incident counts every failure once: captured or only counted, in whichever worker, also while Homeostasis is away.

use crate::support::{Kiosk, SICK};

/// Sends failing orders over several connections at once.
fn fail(kiosk: &Kiosk, times: usize) {
    std::thread::scope(|scope| {
        for part in 0..4 {
            scope.spawn(move || {
                for _ in (part..times).step_by(4) {
                    assert_eq!(kiosk.order(SICK).unwrap().status, 500);
                }
            });
        }
    });
}

/// Waits for exactly this count; one failure too many in an earlier step would make it pass by unseen.
fn wait_for_count(kiosk: &Kiosk, count: usize) {
    kiosk.wait(&format!("the count is {count}"), || {
        let counted = kiosk.incident()?["incident"]["count"].as_u64()?;
        assert!(counted <= count as u64, "{counted} of {count}");
        (counted == count as u64).then_some(())
    });
}

#[test]
fn every_failure_of_every_worker_is_counted_once() {
    let mut kiosk = Kiosk::new();
    kiosk.start_with("observe", &["-w", "3"]);
    fail(&kiosk, 200);
    wait_for_count(&kiosk, 200);
    kiosk.kill_homeostasis();
    fail(&kiosk, 57);
    kiosk.start_with("observe", &["-w", "3"]);
    wait_for_count(&kiosk, 257);
    fail(&kiosk, 1);
    wait_for_count(&kiosk, 258);
}
