//! How likely it is to see no failure by luck alone.

/// Lower bound of the failure rate assumed when too little was seen: one failure was seen, or there were no heal.
const SMALLEST_RATE: f64 = 1e-6;

/// The failure rate before the heal, from counts, pulled towards caution: the lower end of the 90 % Wilson interval
/// (Wilson 1927, z = 1.645), so that a rate estimated from few requests counts as smaller than it looks.
/// `failed` of `requests`, both counts; the result is from 0 to 1.
pub fn cautious_rate(failed: u64, requests: u64) -> f64 {
    let requests = requests.max(failed);
    if requests == 0 {
        return SMALLEST_RATE;
    }
    let (n, z) = (requests as f64, 1.645_f64);
    let share = failed as f64 / n;
    let centre = share + z * z / (2.0 * n);
    let spread = z * (share * (1.0 - share) / n + z * z / (4.0 * n * n)).sqrt();
    ((centre - spread) / (1.0 + z * z / n)).clamp(SMALLEST_RATE, 1.0)
}

/// The probability of at most `failed` failures in `requests` independent requests if the rate were still `rate`
/// (the lower tail of the binomial distribution). Requests that depend on each other make it too small; the
/// thresholds used with it are therefore strict.
pub fn chance(failed: u64, requests: u64, rate: f64) -> f64 {
    let rate = rate.clamp(0.0, 1.0);
    if requests == 0 || rate == 0.0 || failed >= requests {
        return 1.0;
    }
    if rate == 1.0 {
        return 0.0;
    }
    let (n, odds) = (requests as f64, rate / (1.0 - rate));
    let mut log_term = n * (1.0 - rate).ln();
    let mut sum = log_term.exp();
    for k in 1..=failed {
        log_term += ((n - k as f64 + 1.0) / k as f64 * odds).ln();
        sum += log_term.exp();
    }
    sum.min(1.0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn certain_failures_that_stop_are_no_luck() {
        assert!(chance(0, 10, cautious_rate(10, 10)) < 1e-4);
    }

    #[test]
    fn no_requests_prove_nothing() {
        assert_eq!(chance(0, 0, 0.9), 1.0);
    }

    #[test]
    fn a_few_failures_among_many_requests_need_many_quiet_ones() {
        let rate = cautious_rate(1, 1000);
        assert!(chance(0, 1000, rate) > 0.3);
        assert!(chance(0, 100_000, rate) < 0.01);
    }

    proptest! {
        #[test]
        fn more_quiet_requests_never_make_luck_likelier(failed in 0_u64..100, extra in 0_u64..1000, n in 0_u64..1000) {
            let rate = cautious_rate(failed, failed + extra);
            prop_assert!(chance(0, n + 1, rate) <= chance(0, n, rate) + 1e-12);
        }

        #[test]
        fn the_cautious_rate_is_never_above_the_observed_one(failed in 1_u64..1000, extra in 0_u64..1000) {
            let observed = failed as f64 / (failed + extra) as f64;
            prop_assert!(cautious_rate(failed, failed + extra) <= observed + 1e-12);
        }

        #[test]
        fn a_chance_is_a_probability(failed in 0_u64..50, n in 0_u64..500, rate in 0.0_f64..=1.0) {
            let chance = chance(failed, n, rate);
            prop_assert!((0.0..=1.0).contains(&chance));
        }
    }
}
