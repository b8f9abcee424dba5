//! Tests of times run when they are asked for: on a busy machine they measure the neighbours.

/// Whether `HAYAUMA_TEST_TIMING=1` is set; otherwise says that the test is skipped.
pub(crate) fn is_asked_for(test: &str) -> bool {
    let asked = std::env::var_os("HAYAUMA_TEST_TIMING").is_some();
    if !asked {
        println!("skipped: {test} measures times; set HAYAUMA_TEST_TIMING=1 on a quiet machine");
    }
    asked
}
