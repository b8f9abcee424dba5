#![no_main]

libfuzzer_sys::fuzz_target!(|octets: &[u8]| hayauma_fuzz::check_warning(octets));
