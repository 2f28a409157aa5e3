//! Where a model comes from: a path, a URL, or a file of a repository on a model hub.

use std::path::PathBuf;

use domain::Problem;

/// Where a model comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Source {
    /// A file on this machine.
    Path(PathBuf),
    /// A file behind HTTPS (or, on this machine alone, HTTP).
    Url(reqwest::Url),
}

impl Source {
    /// Reads what the user typed. `hf://owner/repo/dir/file.gguf` is a file of the main revision on the hub.
    pub fn parse(text: &str, hub_url: &str) -> Result<Self, Problem> {
        if let Some(rest) = text.strip_prefix("hf://") {
            let mut parts = rest.splitn(3, '/');
            return match (parts.next(), parts.next(), parts.next()) {
                (Some(owner), Some(repo), Some(file)) if !owner.is_empty() && !repo.is_empty() && !file.is_empty() => {
                    Self::url(&format!("{}/{owner}/{repo}/resolve/main/{file}", hub_url.trim_end_matches('/')))
                }
                _ => Err(Problem::invalid(format!("{text:?} names no file on the hub"))
                    .next("write it like hf://owner/repo/file.gguf")),
            };
        }
        if text.contains("://") { Self::url(text) } else { Ok(Self::Path(PathBuf::from(text))) }
    }

    fn url(text: &str) -> Result<Self, Problem> {
        let wrong =
            |cause: String| Problem::invalid(cause).next("give a path, an https URL, or hf://owner/repo/file.gguf");
        let url: reqwest::Url = text.parse().map_err(|e| wrong(format!("{text:?} is no URL: {e}")))?;
        let local = matches!(url.host_str(), Some("localhost" | "127.0.0.1" | "[::1]"));
        match url.scheme() {
            "https" => {}
            "http" if local => {}
            other => {
                return Err(wrong(format!("a model is not fetched over {other}: anybody on the way could change it")));
            }
        }
        if !url.username().is_empty() || url.password().is_some() {
            return Err(wrong("a URL with a password in it ends up in logs".to_owned()));
        }
        Ok(Self::Url(url))
    }

    /// The name that the file will have: the last segment of the path or URL, without anything that could lead elsewhere.
    #[must_use]
    pub fn file_name(&self) -> String {
        let last = match self {
            Self::Path(path) => path.file_name().map(|name| name.to_string_lossy().into_owned()),
            Self::Url(url) => url.path_segments().and_then(|mut segments| segments.next_back().map(str::to_owned)),
        };
        let kept: String = last
            .unwrap_or_default()
            .chars()
            .map(|c| if c.is_ascii_alphanumeric() || ".-_".contains(c) { c } else { '_' })
            .collect();
        if kept.trim_matches('.').is_empty() { "model.gguf".to_owned() } else { kept }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_three_forms() {
        let hub = "https://hub.example/";
        let parse = |text| Source::parse(text, hub);
        assert_eq!(parse("./a/demo.gguf"), Ok(Source::Path("./a/demo.gguf".into())));
        let Ok(Source::Url(url)) = parse("hf://owner/repo/sub/file.gguf") else { panic!("a hub source") };
        assert_eq!(url.as_str(), "https://hub.example/owner/repo/resolve/main/sub/file.gguf");
        assert_eq!(parse("https://x.example/m.gguf?download=1").expect("https").file_name(), "m.gguf");
        for bad in [
            "hf://owner/repo",
            "hf://",
            "http://x.example/m.gguf",
            "ftp://x/m",
            "https://user:pw@x.example/m.gguf",
            "https://",
        ] {
            assert!(parse(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn names_lead_nowhere_else() {
        for (text, name) in [("/a/..", "model.gguf"), ("a b.gguf", "a_b.gguf"), ("/", "model.gguf")] {
            assert_eq!(Source::Path(text.into()).file_name(), name);
        }
    }
}
