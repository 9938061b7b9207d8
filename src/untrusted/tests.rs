use super::*;

#[test]
fn terminal_escapes_are_shown_not_obeyed() {
    assert_eq!(Untrusted::new("\x1b[2Jbob\r\n\u{9b}1m").visible(99), r"\u{1b}[2Jbob\u{d}\u{a}\u{9b}1m");
}

#[test]
fn bidi_and_zero_width_characters_are_shown_not_obeyed() {
    assert_eq!(Untrusted::new("a\u{202e}b\u{200b}c\u{2066}d").visible(99), r"a\u{202e}b\u{200b}c\u{2066}d");
}

#[test]
fn long_strings_are_cut_visibly() {
    assert_eq!(Untrusted::new("ééééé").visible(3), "ééé…");
    assert_eq!(Untrusted::new("abcdef").ascii(4), "ab..");
    assert_eq!(Untrusted::new("abcd").ascii(4), "abcd");
}

#[test]
fn ascii_has_no_line_break_and_is_never_empty() {
    assert_eq!(Untrusted::new("ü\nSubject: x").ascii(99), "??Subject: x");
    assert_eq!(Untrusted::new("").ascii(99), "unknown");
}

#[test]
fn a_shell_command_is_not_an_iam_name() {
    assert_eq!(Untrusted::new("deploy@ci+prod=1,a.b-c_d").iam_name(), Some("deploy@ci+prod=1,a.b-c_d"));
    for name in ["", "a b", "$(id)", "a;b", "a'b", "a/b", "a\n", "ü", &"x".repeat(129)] {
        assert_eq!(Untrusted::new(name).iam_name(), None, "{name:?}");
    }
}

#[test]
fn account_and_access_key_ids_have_one_form() {
    assert!(Untrusted::new("123456789012").account_id().is_some());
    assert!(Untrusted::new("12345678901a").account_id().is_none());
    assert!(Untrusted::new("AKIAIOSFODNN7EXAMPLE").access_key_id().is_some());
    assert!(Untrusted::new("BKIAIOSFODNN7EXAMPLE").access_key_id().is_none());
    assert!(Untrusted::new("AKIA iosfodnn7example").access_key_id().is_none());
}

#[test]
fn json_is_exact_up_to_four_kibibytes() {
    let exact = "\x1b\u{202e}\"\\é";
    assert_eq!(serde_json::to_value(Untrusted::new(exact)).unwrap(), exact);
    let long = Untrusted::new("é".repeat(4000));
    assert!(long.is_cut());
    assert_eq!(serde_json::to_value(&long).unwrap().as_str().unwrap().len(), EXACT_BYTES);
}

#[test]
fn a_defanged_url_acts_on_nothing_and_is_the_same_url() {
    let url = "https://evil.example/<script>alert(1)</script>?a=`id`&b=\u{202e}\u{1b}[2J&c=$(id)#%41";
    let shown = "hxxps[://]evil[.]example/%3Cscript%3Ealert(1)%3C/script%3E?a=%60id%60&b=%E2%80%AE%1B[2J&c=%24(id)#%41";
    assert_eq!(Untrusted::new(url).defanged_url(200), shown);
    assert_eq!(Untrusted::new("http://evil.рф/x y").defanged_url(200), "hxxp[://]evil[.]%D1%80%D1%84/x%20y");
    assert_eq!(Untrusted::new("evil.example").defanged_url(200), "evil[.]example");
    assert_eq!(Untrusted::new("https://a.example/bc").defanged_url(19), "hxxps[://]a[.]example/b…");
}

#[test]
fn a_fingerprint_is_half_a_sha256() {
    // NIST's example for "abc".
    assert_eq!(fingerprint("abc"), "ba7816bf8f01cfea414140de5dae2223");
}

#[test]
fn debug_shows_only_the_length() {
    assert_eq!(format!("{:?}", Untrusted::new("secret")), "Untrusted(6 bytes)");
}
