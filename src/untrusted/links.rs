//! URLs and hosts in a text, defanged as responders write them: mail and chat clients make links of them.

/// Which names of hosts are defanged.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Hosts {
    /// Those in URLs. A name like `john.doe` looks like a host.
    InUrls,
    /// Those that stand alone as well, except AWS's own, which are in many user agents.
    All,
}

/// The text with `https://evil.example/x` as `hxxps[://]evil[.]example/x`.
pub(super) fn defanged(text: &str, hosts: Hosts) -> String {
    let mut result = String::with_capacity(text.len());
    let mut rest = text;
    let mut is_after_scheme = false;
    while !rest.is_empty() {
        let is_part = |c: char| c.is_alphanumeric() || c == '.' || c == '-';
        let end = rest.find(|c| !is_part(c)).unwrap_or(rest.len());
        let (word, after) = rest.split_at(end);
        if let Some(host) = after.strip_prefix("://") {
            // A scheme, or a host in its place.
            result.push_str(&word.replace('t', "x").replace('T', "X").replace('.', "[.]"));
            result.push_str("[://]");
            rest = host;
            is_after_scheme = true;
            continue;
        }
        let is_link = is_after_scheme
            || is_www(word)
            || is_host(word) && (after.starts_with('/') || hosts == Hosts::All && !is_of_aws(word));
        result.push_str(&if is_link { word.replace('.', "[.]") } else { word.to_owned() });
        let next = after.chars().next();
        result.extend(next);
        rest = &after[next.map_or(0, char::len_utf8)..];
        // The path of a URL may look like another host.
        is_after_scheme &= next.is_some_and(|c| !c.is_whitespace());
    }
    result
}

fn is_www(word: &str) -> bool {
    word.get(..4).is_some_and(|start| start.eq_ignore_ascii_case("www."))
}

/// Whether a word ends in what may be a top-level domain. Version numbers do not.
fn is_host(word: &str) -> bool {
    let Some((before, last)) = word.trim_end_matches(['.', '-']).rsplit_once('.') else { return false };
    let is_domain = last.chars().count() >= 2 && last.chars().all(char::is_alphabetic) || last.starts_with("xn--");
    is_domain && before.contains(char::is_alphanumeric)
}

/// Whether it is the name of a service, such as `signin.amazonaws.com`. Anyone may have a bucket or an instance below these.
fn is_of_aws(word: &str) -> bool {
    word.strip_suffix(".amazonaws.com").is_some_and(|service| !service.contains('.'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_that_a_client_would_make_a_link_is_left() {
        for (text, expected) in [
            (
                "Boto3 https://evil.example/login HTTP://evil.example/x (+http://www.evil.example)",
                "Boto3 hxxps[://]evil[.]example/login HXXP[://]evil[.]example/x (+hxxp[://]www[.]evil[.]example)",
            ),
            ("x,ftp://a.b WWW.evil.example; evil.example", "x,fxp[://]a[.]b WWW[.]evil[.]example; evil[.]example"),
            ("evil.example;x evil.example|y", "evil[.]example;x evil[.]example|y"),
            ("evil.example\u{a0}x evil.рф evil.xn--p1ai", "evil[.]example\u{a0}x evil[.]рф evil[.]xn--p1ai"),
            (
                "phish.s3.amazonaws.com signin.amazonaws.com/x",
                "phish[.]s3[.]amazonaws[.]com signin[.]amazonaws[.]com/x",
            ),
            ("https://user@evil.example:8080/?q=a.b", "hxxps[://]user@evil[.]example:8080/?q=a[.]b"),
            // A host can stand in place of a scheme.
            ("signin.amazonaws.com://evil.example", "signin[.]amazonaws[.]com[://]evil[.]example"),
            ("www.evil.example://x", "www[.]evil[.]example[://]x"),
        ] {
            assert_eq!(defanged(text, Hosts::All), expected);
        }
        for agent in
            ["aws-cli/2.17 md/Botocore#1.34 lang/python#3.11.6", "signin.amazonaws.com", "[S3Console/0.4]", "a. b."]
        {
            assert_eq!(defanged(agent, Hosts::All), agent);
        }
    }

    #[test]
    fn ordinary_names_stay_as_they_are() {
        for name in [
            "john.doe",
            "bob@corp.example",
            "arn:aws:iam::123456789012:user/a.b/john.doe",
            "203.0.113.7",
            "s3.amazonaws.com",
        ] {
            assert_eq!(defanged(name, Hosts::InUrls), name);
        }
        assert_eq!(defanged("evil.example/login", Hosts::InUrls), "evil[.]example/login");
        assert_eq!(defanged("http://evil.example", Hosts::InUrls), "hxxp[://]evil[.]example");
        assert_eq!(defanged("www.evil.example://x", Hosts::InUrls), "www[.]evil[.]example[://]x");
    }
}
