//! Chat templates: those of known models come out as the engine writes them without our guards, and hostile ones end
//! within bounds of time and memory.

use std::time::{Duration, Instant};

use domain::Timestamp;
use llm::context::conversation::Controls;
use llm::context::formatter::CHATML;
use llm::context::{Budget, Exhausted, FormatError, Formatter, Turn};
use minijinja::syntax::SyntaxConfig;
use minijinja::{Environment, Error, ErrorKind, Value, context};
use proptest::prelude::*;
use serde_json::json;

/// In the manner of the templates of Llama 3, Mistral, Gemma, Qwen 2.5, Phi 3 and DeepSeek, with what they use of Jinja.
const KNOWN: [&str; 7] = [
    CHATML,
    "{{- bos_token }}{%- if messages[0]['role'] == 'system' %}{%- set system_message = messages[0]['content'] | trim %}{%- set messages = messages[1:] %}{%- else %}{%- set system_message = \"\" %}{%- endif %}{{- \"<|start_header_id|>system<|end_header_id|>\\n\\n\" }}{{- system_message }}{%- for message in messages %}{%- if not (message.role == 'ipython' or message.role == 'tool' or 'tool_calls' in message) %}{{- '<|start_header_id|>' + message['role'] + '<|end_header_id|>\\n\\n' + message['content'] | trim + '<|eot_id|>' }}{%- endif %}{%- endfor %}{%- if add_generation_prompt %}{{- '<|start_header_id|>assistant<|end_header_id|>\\n\\n' }}{%- endif %}",
    "{%- if messages[0].role == 'system' %}{%- set system_message = messages[0].content %}{%- set loop_messages = messages[1:] %}{%- else %}{%- set loop_messages = messages %}{%- endif %}{{- bos_token }}{%- for message in loop_messages %}{%- if message.role == 'user' %}{%- if loop.last and system_message is defined %}{{- '[INST] ' + system_message + '\\n\\n' + message.content + '[/INST]' }}{%- else %}{{- '[INST] ' ~ message.content ~ '[/INST]' }}{%- endif %}{%- else %}{{- ' ' + message.content|trim + eos_token }}{%- endif %}{%- endfor %}",
    "{{ bos_token }}{% for message in messages if message.role in ['user', 'assistant'] %}{% if message.role == 'assistant' %}{% set role = 'model' %}{% else %}{% set role = message['role'] %}{% endif %}{{ '<start_of_turn>' + role + '\\n' + message['content'] | trim + '<end_of_turn>\\n' }}{% endfor %}{% if add_generation_prompt %}{{ '<start_of_turn>model\\n' }}{% endif %}",
    "{%- set ns = namespace(multi_step=true, last=messages|length - 1) %}{%- for message in messages[::-1] %}{%- set index = (messages|length - 1) - loop.index0 %}{%- if ns.multi_step and message.role == 'user' and not(message.content.startswith('<tool') and message.content.endswith('>')) %}{%- set ns.multi_step = false %}{%- set ns.last = index %}{%- endif %}{%- endfor %}{%- for message in messages %}{%- set content = message.content if message.content is string else '' %}{%- if '</think>' in content %}{%- set content = content.split('</think>')[-1].lstrip('\\n') %}{%- endif %}{{- '<|im_start|>' ~ message.role ~ ('!' if loop.index0 > ns.last else '') ~ '\\n' ~ content ~ '<|im_end|>\\n' }}{%- endfor %}",
    "{% macro line(role, text='') %}<|{{ role }}|>\\n{{ text | replace('\\n', ' ') }}<|end|>\\n{% endmacro %}{% for message in messages %}{{ line(message['role'], text=message['content']) }}{% endfor %}{% if add_generation_prompt %}<|assistant|>\\n{% else %}{{ eos_token }}{% endif %}",
    "{% set ns = namespace(system='', first=true) %}{%- for message in messages %}{%- if message['role'] == 'system' %}{%- if ns.first %}{% set ns.system = ns.system + message['content'] %}{% set ns.first = false %}{%- else %}{% set ns.system = ns.system + '\\n\\n' + message['content'] %}{%- endif %}{%- endif %}{%- endfor %}{{ bos_token }}{{ ns.system }}{% for message in messages | rejectattr('role', 'equalto', 'system') | list %}{{ message | items | map('last') | join(':') }}{{ loop.index * 3 + 1 }}{% if loop.previtem %}{{ loop.previtem.content | upper }}{% endif %}{{ message | tojson }}{% endfor %}{{ messages | map(attribute='role') | unique | join(', ') }}",
];

fn turns(messages: &[(String, String)]) -> Vec<Turn> {
    let turn = |(role, content): &(String, String)| {
        let message = serde_json::from_value(json!({"role": role, "content": content})).expect("a message");
        Turn::of(&message, &Controls::default()).expect("a turn")
    };
    messages.iter().map(turn).collect()
}

fn render(template: &str, messages: &[(String, String)], budget: &Budget) -> Result<String, FormatError> {
    let formatter = Formatter::new(template, "<s>".to_owned(), "</s>".to_owned())?;
    formatter.format(&turns(messages), None, Timestamp(0), budget)
}

/// The engine as it is, with Python's methods.
fn unguarded(template: &str, messages: &[(String, String)]) -> Result<String, Error> {
    let mut environment = Environment::new();
    let syntax = SyntaxConfig::builder().trim_blocks(true).lstrip_blocks(true).build();
    environment.set_syntax(syntax.expect("valid"));
    environment.set_unknown_method_callback(minijinja_contrib::pycompat::unknown_method_callback);
    environment.add_function("raise_exception", |message: String| -> Result<Value, Error> {
        Err(Error::new(ErrorKind::InvalidOperation, message))
    });
    // Python's separators, which the product writes too.
    environment.add_filter("tojson", |value: Value| {
        let pairs: Vec<String> = value
            .try_iter()
            .expect("a map")
            .map(|key| {
                let quoted = |value: &Value| serde_json::to_string(value.as_str().expect("text")).expect("JSON");
                format!("{}: {}", quoted(&key), quoted(&value.get_item(&key).expect("there")))
            })
            .collect();
        format!("{{{}}}", pairs.join(", "))
    });
    environment.add_template("chat", template)?;
    let messages: Vec<Value> = messages
        .iter()
        .map(|(role, content)| Value::from_pairs([("role", role.as_str()), ("content", content.as_str())]))
        .collect();
    environment.get_template("chat")?.render(context! {
        messages, add_generation_prompt => true, bos_token => "<s>", eos_token => "</s>", tools => (),
    })
}

fn any_messages() -> impl Strategy<Value = Vec<(String, String)>> {
    let role = prop_oneof![Just("system"), Just("user"), Just("assistant"), Just("tool")].prop_map(str::to_owned);
    let content = prop_oneof!["\\PC{0,20}", " {0,3}(<tool>|</think>|x|\n){0,6} {0,3}"];
    proptest::collection::vec((role, content), 1..8)
}

proptest! {
    #[test]
    fn templates_of_known_models_are_written_as_without_guards(messages in any_messages(), which in 0..KNOWN.len()) {
        let guarded = render(KNOWN[which], &messages, &Budget::of(1 << 30));
        let plain = unguarded(KNOWN[which], &messages);
        match (guarded, plain) {
            (Ok(guarded), Ok(plain)) => prop_assert_eq!(guarded, plain),
            (Err(FormatError::Refused(_)), Err(_)) => {}
            (guarded, plain) => prop_assert!(false, "{:?} instead of {:?}", guarded, plain),
        }
    }

    #[test]
    fn operators_are_the_engines(
        left in any_operand(), right in any_operand(),
        operator in proptest::sample::select(vec!["+", "*", "~", "==", "!=", "<", "<=", ">", ">=", "in", "-", "%"]),
    ) {
        let template = format!("{{% set a = {left} %}}{{% set b = {right} %}}{{{{ a {operator} b }}}}");
        let guarded = render(&template, &[], &Budget::of(1 << 30)).ok();
        prop_assert_eq!(guarded, unguarded(&template, &[]).ok(), "{}", template);
    }

    #[test]
    fn any_template_ends(text in any_template_text()) {
        let messages = [("user".to_owned(), "hi".to_owned())];
        let began = Instant::now();
        let _ = render(&text, &messages, &Budget::of(1 << 20));
        prop_assert!(began.elapsed() < Duration::from_secs(30), "{}", text);
    }
}

fn any_operand() -> impl Strategy<Value = String> {
    let text = proptest::sample::select(vec![
        "'a'", "''", "'aab'", "3", "0", "-2", "2.5", "true", "none", "x.y", "[1, 2]", "[]", "['a']", "{'a': 1}",
        "(1, 'a')",
    ]);
    text.prop_map(str::to_owned)
}

/// Structured text: pieces of templates, so that most of it parses.
fn any_template_text() -> impl Strategy<Value = String> {
    let expression = proptest::sample::select(vec![
        "messages",
        "messages[0].content",
        "ns.x",
        "ns.x ~ ns.x",
        "ns.x + ns.x",
        "[ns.x, ns.x]",
        "ns.x * 1000",
        "range(100000)",
        "ns",
        "messages[::-1]",
        "ns.x|tojson",
        "ns.x|list",
        "'%9999d'|format(1)",
        "ns.x|string",
        "(ns.x, ns.x)",
        "{'a': ns.x}",
        "ns.x == ns.x",
        "ns.x in [ns.x]",
        "ns.x|join(ns.x)",
        "loop",
        "namespace(a=ns.x)",
        "ns.x|replace('', ns.x)",
        "messages|map('tojson')|list",
        "ns.x.split('')",
        "-ns.x",
        "ns.x[1:]",
        "dict(a=ns.x)",
    ]);
    let piece = expression.prop_flat_map(|expression| {
        proptest::sample::select(vec![
            format!("{{{{ {expression} }}}}"),
            format!("{{% set ns.x = {expression} %}}"),
            format!("{{% for i in range(60) %}}{{% set ns.x = {expression} %}}{{% endfor %}}"),
            format!("{{% if {expression} %}}y{{% endif %}}"),
            format!("{{% for i in {expression} %}}{{{{ i }}}}{{% endfor %}}"),
        ])
    });
    proptest::collection::vec(piece, 1..8)
        .prop_map(|pieces| format!("{{% set ns = namespace(x='ab') %}}{}", pieces.concat()))
}

/// Each makes size or time out of nothing; all are refused, and soon.
const HOSTILE: [(&str, &str); 35] = [
    ("loops", "{% for a in range(3000) %}{% for b in range(100000) %}{% endfor %}{% endfor %}"),
    (
        "writes",
        "{% for a in range(100000) %}{% for b in range(1000) %}some text that is written again and again{% endfor %}{% endfor %}",
    ),
    (
        "captures",
        "{% set x %}{% for a in range(100000) %}{% for b in range(1000) %}some text{% endfor %}{% endfor %}{% endset %}",
    ),
    (
        "doubles a text by ~",
        "{% set ns = namespace(s='x') %}{% for i in range(60) %}{% set ns.s = ns.s ~ ns.s %}{% endfor %}",
    ),
    (
        "doubles a text by +",
        "{% set ns = namespace(s='x') %}{% for i in range(60) %}{% set ns.s = ns.s + ns.s %}{% endfor %}",
    ),
    (
        "doubles a list",
        "{% set ns = namespace(s=[1]) %}{% for i in range(60) %}{% set ns.s = ns.s + ns.s %}{% endfor %}",
    ),
    ("multiplies a text", "{% set n = 90000000 %}{% set a = 'x' * n %}{% set b = 'y' * n %}"),
    ("multiplies a list", "{% set n = 90000000 %}{% set a = [1] * n %}{{ a|length }}"),
    ("multiplies a constant", "{{ 'x' * 100000000 }}"),
    ("multiplies a constant tuple", "{{ (1, 2) * 10000000 }}"),
    ("joins with a list", "{{ range(100000) | join(range(100000)) }}"),
    ("replaces by a list", "{{ messages[0].content | replace('l', range(100000)) }}"),
    ("joins", "{% set n = 100000 %}{% set t = 'x' * n %}{{ range(100000) | join(t) }}"),
    ("joins by the method", "{% set n = 100000 %}{% set t = 'x' * n %}{{ t.join(range(100000)) }}"),
    ("replaces", "{% set n = 100000 %}{% set t = 'x' * n %}{{ t | replace('x', t) }}"),
    ("replaces nothing", "{% set n = 100000 %}{% set t = 'x' * n %}{{ t.replace('', t) }}"),
    ("indents", "{% set n = 60000 %}{{ ('\n' * n) | indent(900) | indent(900) }}"),
    (
        "indents JSON",
        "{% set ns = namespace(l=[1]) %}{% for i in range(20) %}{% set ns.l = [ns.l, ns.l] %}{% endfor %}{{ ns.l | tojson(indent=16) }}",
    ),
    ("formats wide", "{{ '%999999999d' | format(1) }}"),
    ("formats wide by the method", "{{ '{:999999999}'.format(1) }}"),
    ("formats often", "{% set n = 60000 %}{{ ('{0}' * n).format('x' * n) }}"),
    (
        "shares parts",
        "{% set ns = namespace(l=[1]) %}{% for i in range(28) %}{% set ns.l = [ns.l, ns.l] %}{% endfor %}{{ ns.l }}",
    ),
    (
        "compares shared parts",
        "{% set a = namespace(l=[1]) %}{% set b = namespace(l=[1]) %}{% for i in range(28) %}{% set a.l = [a.l, a.l] %}{% set b.l = [b.l, b.l] %}{% endfor %}{{ a.l == b.l }}",
    ),
    (
        "looks for shared parts",
        "{% set a = namespace(l=[1]) %}{% for i in range(28) %}{% set a.l = [a.l, a.l] %}{% endfor %}{{ a.l in [1] }}",
    ),
    (
        "looks up shared parts",
        "{% set a = namespace(l=[1]) %}{% for i in range(28) %}{% set a.l = [a.l, a.l] %}{% endfor %}{{ {'a': 1}[a.l] }}",
    ),
    ("nests", "{% set ns = namespace(l=[]) %}{% for i in range(100000) %}{% set ns.l = [ns.l] %}{% endfor %}"),
    (
        "nests maps",
        "{% set ns = namespace(l={}) %}{% for i in range(100000) %}{% set ns.l = {'a': ns.l} %}{% endfor %}",
    ),
    (
        "nests dicts",
        "{% set ns = namespace(l={}) %}{% for i in range(100000) %}{% set ns.l = dict(a=ns.l) %}{% endfor %}",
    ),
    ("refers to itself", "{% set ns = namespace() %}{% set ns.me = ns %}{{ ns }}"),
    ("refers to itself through a list", "{% set ns = namespace() %}{% set ns.me = [ns] %}{{ ns }}"),
    ("keeps a loop", "{% set ns = namespace(l=1) %}{% for i in range(9) %}{% set ns.l = loop %}{% endfor %}"),
    ("calls itself", "{% macro a() %}{{ a() }}{{ a() }}{% endmacro %}{{ a() }}"),
    (
        "raises with shared parts",
        "{% set a = namespace(l=[1]) %}{% for i in range(28) %}{% set a.l = [a.l, a.l] %}{% endfor %}{{ raise_exception(a.l) }}",
    ),
    ("writes a wide date", "{{ strftime_now('%0999999999d') }}"),
    (
        "keeps many texts",
        "{% set ns = namespace(l=[]) %}{% for i in range(100000) %}{% set ns.l = ns.l + [messages[0].content ~ i] %}{% endfor %}",
    ),
];

#[test]
fn hostile_templates_end_within_bounds() {
    let messages = [("user".to_owned(), "hello ".repeat(1_000))];
    for (what, template) in HOSTILE {
        let budget = Budget::of(1 << 22);
        let began = Instant::now();
        let rendered = render(template, &messages, &budget);
        assert!(rendered.is_err(), "{what}: {} bytes", rendered.map_or(0, |text| text.len()));
        assert!(began.elapsed() < Duration::from_secs(60), "{what}: {:?}", began.elapsed());
    }
}

#[test]
fn a_loop_ends_when_nobody_waits() {
    let budget = Budget::new(u64::MAX, || true);
    let messages = [("user".to_owned(), "hi".to_owned())];
    assert_eq!(render(CHATML, &messages, &budget), Err(FormatError::Exhausted(Exhausted::Stopped)));
    assert_eq!(render(CHATML, &messages, &Budget::of(8)), Err(FormatError::Exhausted(Exhausted::Spent)));
}

#[test]
fn source_is_bounded_and_nesting_too() {
    let cases = [
        ("length", "x".repeat(300 << 10)),
        ("a chain of attributes", format!("{{{{ a{} }}}}", ".b".repeat(50_000))),
        ("a chain of operators", format!("{{{{ a{} }}}}", " + a".repeat(30_000))),
        ("a chain of filters", format!("{{{{ a{} }}}}", "|d".repeat(50_000))),
        ("a chain of negations", format!("{{{{ {}a }}}}", "not ".repeat(30_000))),
        ("a chain of signs", format!("{{{{ {}1 }}}}", "-".repeat(50_000))),
        ("parentheses", format!("{{{{ {}1{} }}}}", "(".repeat(50_000), ")".repeat(50_000))),
        ("lists", format!("{{{{ {}{} }}}}", "[".repeat(50_000), "]".repeat(50_000))),
        ("alternatives", format!("{{% if a %}}{}{{% endif %}}", "{% elif a %}".repeat(10_000))),
        ("loops", format!("{}{}", "{% for a in b %}".repeat(5_000), "{% endfor %}".repeat(5_000))),
        ("conditions", format!("{{{{ a{} }}}}", " if a".repeat(20_000))),
        ("inclusion of itself", "{% include 'chat' %}".to_owned()),
        ("blocks", "{% block a %}{% endblock %}".to_owned()),
        ("unpacked arguments", "{{ range(*messages) }}".to_owned()),
        ("escaping", "{% autoescape 'json' %}{{ messages }}{% endautoescape %}".to_owned()),
        ("no end", "{% for a in b %}".to_owned()),
    ];
    for (what, source) in cases {
        let error = Formatter::new(&source, String::new(), String::new()).map(drop);
        assert!(matches!(error, Err(FormatError::Template(_))), "{what}: {error:?}");
    }
}
