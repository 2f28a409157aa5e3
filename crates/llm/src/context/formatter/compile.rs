//! Compiles a chat template, and rewrites what was compiled so that every operation that can make size or time out of
//! nothing goes through [`super::guard`], which makes it pay.
//!
//! The engine's own fuel counts instructions. One instruction can double a string, compare two lists of lists, or write
//! a page; so those become calls of guarded filters, one for one on the engine's stack. What no chat template needs and
//! cannot be guarded that way (inclusion, blocks, unpacked arguments, chained comparisons, escaping) is refused.

use minijinja::machinery::ast::{BinOpKind, CallArg, Expr, Stmt};
use minijinja::machinery::{CodeGenerator, Instruction, Instructions, Token, parse, tokenize};
use minijinja::syntax::SyntaxConfig;
use minijinja::value::ValueKind;
use minijinja::{Error, Value};

use super::FormatError;
use super::guard;

/// Longest source. Templates in the wild have up to some 30 kB.
pub(super) const SOURCE_MAX_BYTES: usize = 256 << 10;
/// Most tokens within one tag: the parser, the compiler and the freeing of what they make call themselves once a token.
const TAG_TOKENS_MAX: usize = 1_000;
/// Most `elif`s, which nest in each other.
const ELIFS_MAX: usize = 200;
/// Longest text or list that constants may be multiplied to.
const CONSTANT_MAX: usize = 64 << 10;
/// No slot of the engine's table of looked-up filters.
const NO_SLOT: u8 = u8::MAX;

/// The instructions of a template.
pub(super) struct Compiled<'s>(pub(super) Instructions<'s>);

/// Compiles `source`.
pub(super) fn compile(source: &str) -> Result<Compiled<'_>, FormatError> {
    if source.len() > SOURCE_MAX_BYTES {
        return Err(unsupported(&format!("it is longer than {SOURCE_MAX_BYTES} bytes")));
    }
    let syntax = SyntaxConfig::builder().trim_blocks(true).lstrip_blocks(true).build().map_err(template)?;
    check_tags(source, &syntax)?;
    let parsed = parse(source, "chat", syntax).map_err(template)?;
    check_statement(&parsed)?;
    let mut generator = CodeGenerator::new("chat", source);
    generator.compile_stmt(&parsed);
    let (instructions, blocks) = generator.finish();
    if !blocks.is_empty() {
        return Err(unsupported("blocks are not supported"));
    }
    rewrite(&instructions).map(Compiled)
}

fn template(error: Error) -> FormatError {
    FormatError::Template(error.to_string())
}

fn unsupported(what: &str) -> FormatError {
    FormatError::Template(what.to_owned())
}

/// Bounds what the parser nests without a bound of its own.
fn check_tags(source: &str, syntax: &SyntaxConfig) -> Result<(), FormatError> {
    let (mut tokens, mut elifs) = (0, 0);
    for token in tokenize(source, false, syntax.clone()) {
        match token.map_err(template)?.0 {
            Token::BlockStart | Token::VariableStart => tokens = 0,
            Token::Ident("elif") => elifs += 1,
            _ => tokens += 1,
        }
        if tokens > TAG_TOKENS_MAX || elifs > ELIFS_MAX {
            return Err(unsupported("one of its tags is too long"));
        }
    }
    Ok(())
}

/// The compiler computes what is constant, and nothing bounds that: `"x" * 100000000`. The parser's own bound on nesting
/// bounds the calls here.
fn check_statement(statement: &Stmt) -> Result<(), FormatError> {
    let all = |statements: &[Stmt]| statements.iter().try_for_each(check_statement);
    match statement {
        Stmt::Template(node) => all(&node.children),
        Stmt::EmitExpr(node) => check(&node.expr),
        Stmt::ForLoop(node) => {
            check(&node.iter)?;
            node.filter_expr.iter().try_for_each(check)?;
            all(&node.body)?;
            all(&node.else_body)
        }
        Stmt::IfCond(node) => {
            check(&node.expr)?;
            all(&node.true_body)?;
            all(&node.false_body)
        }
        Stmt::WithBlock(node) => {
            node.assignments.iter().try_for_each(|(_, expression)| check(expression))?;
            all(&node.body)
        }
        Stmt::Set(node) => check(&node.expr),
        Stmt::SetBlock(node) => {
            node.filter.iter().try_for_each(check)?;
            all(&node.body)
        }
        Stmt::FilterBlock(node) => {
            check(&node.filter)?;
            all(&node.body)
        }
        Stmt::Macro(node) => {
            node.defaults.iter().try_for_each(check)?;
            all(&node.body)
        }
        Stmt::CallBlock(node) => {
            check_arguments(&node.call.args)?;
            node.macro_decl.defaults.iter().try_for_each(check)?;
            all(&node.macro_decl.body)
        }
        Stmt::Do(node) => check_arguments(&node.call.args),
        Stmt::EmitRaw(_) | Stmt::Continue(_) | Stmt::Break(_) => Ok(()),
        Stmt::AutoEscape(_)
        | Stmt::Block(_)
        | Stmt::Import(_)
        | Stmt::FromImport(_)
        | Stmt::Extends(_)
        | Stmt::Include(_) => Err(unsupported("it uses other templates, or escapes text")),
    }
}

fn check_arguments(arguments: &[CallArg]) -> Result<(), FormatError> {
    arguments.iter().try_for_each(|argument| match argument {
        CallArg::Pos(expression) | CallArg::Kwarg(_, expression) => check(expression),
        CallArg::PosSplat(_) | CallArg::KwargSplat(_) => Err(unsupported("unpacked arguments are not supported")),
    })
}

fn check(expression: &Expr) -> Result<(), FormatError> {
    match expression {
        Expr::Var(_) | Expr::Const(_) => Ok(()),
        Expr::Slice(node) => {
            check(&node.expr)?;
            [&node.start, &node.stop, &node.step].into_iter().flatten().try_for_each(check)
        }
        Expr::UnaryOp(node) => check(&node.expr),
        Expr::BinOp(node) => {
            check(&node.left)?;
            check(&node.right)?;
            if matches!(node.op, BinOpKind::Mul) { check_product(&node.left, &node.right) } else { Ok(()) }
        }
        Expr::Compare(_) => Err(unsupported("chained comparisons are not supported")),
        Expr::IfExpr(node) => {
            check(&node.test_expr)?;
            check(&node.true_expr)?;
            node.false_expr.iter().try_for_each(check)
        }
        Expr::Filter(node) => {
            node.expr.iter().try_for_each(check)?;
            check_arguments(&node.args)
        }
        Expr::Test(node) => {
            check(&node.expr)?;
            check_arguments(&node.args)
        }
        Expr::GetAttr(node) => check(&node.expr),
        Expr::GetItem(node) => {
            check(&node.expr)?;
            check(&node.subscript_expr)
        }
        Expr::Call(node) => {
            check(&node.expr)?;
            check_arguments(&node.args)
        }
        Expr::List(node) => node.items.iter().try_for_each(check),
        Expr::Tuple(node) => node.items.iter().try_for_each(check),
        Expr::Map(node) => node.keys.iter().chain(&node.values).try_for_each(check),
    }
}

/// Of a text or a list with a number, both constant.
fn check_product(left: &Expr, right: &Expr) -> Result<(), FormatError> {
    let (Some(left), Some(right)) = (left.as_const(), right.as_const()) else { return Ok(()) };
    let length = |value: &Value| match value.kind() {
        ValueKind::Number => value.as_usize(),
        _ => value.as_str().map(str::len).or_else(|| value.len()),
    };
    let is_number = |value: &Value| value.kind() == ValueKind::Number;
    if is_number(&left) && is_number(&right) {
        return Ok(());
    }
    let product = length(&left).zip(length(&right)).and_then(|(left, right)| left.checked_mul(right));
    match product {
        Some(product) if product <= CONSTANT_MAX => Ok(()),
        _ => Err(unsupported("it multiplies a constant beyond bounds")),
    }
}

/// The same instructions, with those replaced that must pay. Targets of jumps are moved along.
fn rewrite<'s>(old: &Instructions<'s>) -> Result<Instructions<'s>, FormatError> {
    let mut guarded = Vec::new();
    let mut moved_to = Vec::new();
    let mut index = 0;
    while let Some(instruction) = old.get(index) {
        moved_to.push(u32::try_from(guarded.len()).unwrap_or(u32::MAX));
        replace(instruction.clone(), &mut guarded)?;
        index += 1;
    }
    moved_to.push(u32::try_from(guarded.len()).unwrap_or(u32::MAX));
    let mut new = Instructions::new(old.name(), old.source());
    for mut instruction in guarded {
        if let Instruction::Iterate(target)
        | Instruction::Jump(target)
        | Instruction::JumpIfFalse(target)
        | Instruction::JumpIfFalseOrPop(target)
        | Instruction::JumpIfTrueOrPop(target)
        | Instruction::BuildMacro(_, target, _) = &mut instruction
        {
            *target = moved_to.get(*target as usize).copied().ok_or_else(|| unsupported("a jump leads nowhere"))?;
        }
        new.add(instruction);
    }
    Ok(new)
}

/// What stands in place of an instruction.
fn replace<'s>(old: Instruction<'s>, new: &mut Vec<Instruction<'s>>) -> Result<(), FormatError> {
    use Instruction as I;
    let too_many = || unsupported("it builds a value of too many parts, or unpacks arguments");
    let call = |name: &'static str, arguments: u16| I::ApplyFilter(name, Some(arguments), NO_SLOT);
    let count = |count: Option<usize>| count.and_then(|count| u16::try_from(count).ok()).ok_or_else(too_many);
    // The arguments become one list, for guards take no named ones; the name follows.
    let mut named = |name: &str, guard: &'static str, arguments: Option<u16>| {
        let arguments = usize::from(arguments.ok_or_else(too_many)?);
        new.extend([I::BuildList(Some(arguments)), I::LoadConst(Value::from(name)), call(guard, 2)]);
        Ok(())
    };
    match old {
        I::ApplyFilter(name, arguments, _) => return named(name, guard::FILTER, arguments),
        I::PerformTest(name, arguments, _) => return named(name, guard::TEST, arguments),
        I::CallMethod(name, arguments) => return named(name, guard::METHOD, arguments),
        I::EmitRaw(text) => new.extend([I::LoadConst(Value::from(text)), I::Emit]),
        I::SetAttr(name) => new.extend([I::Swap, call(guard::STORABLE, 1), I::Swap, I::SetAttr(name)]),
        I::StringConcat => new.push(call(guard::CONCAT, 2)),
        I::Add => new.push(call(guard::ADD, 2)),
        I::Mul => new.push(call(guard::MUL, 2)),
        I::Eq => new.push(call(guard::EQ, 2)),
        I::Ne => new.push(call(guard::NE, 2)),
        I::Lt => new.push(call(guard::LT, 2)),
        I::Lte => new.push(call(guard::LE, 2)),
        I::Gt => new.push(call(guard::GT, 2)),
        I::Gte => new.push(call(guard::GE, 2)),
        I::In => new.push(call(guard::IN, 2)),
        I::GetItem => new.push(call(guard::ITEM, 2)),
        I::Slice => new.push(call(guard::SLICE, 4)),
        // A list of unknown length is made of the items that a loop's condition lets through; each has cost fuel.
        I::BuildList(None | Some(0)) | I::BuildTuple(Some(0)) | I::BuildMap(0) => new.push(old),
        I::BuildList(parts) => new.push(call(guard::LIST, count(parts)?)),
        I::BuildTuple(parts) => new.push(call(guard::TUPLE, count(parts)?)),
        I::BuildMap(pairs) => new.push(call(guard::MAP, count(pairs.checked_mul(2))?)),
        I::CallFunction(_, None) | I::CallObject(None) => return Err(too_many()),
        I::StoreLocal(_)
        | I::Lookup(_)
        | I::GetAttr(_)
        | I::LoadConst(_)
        | I::BuildKwargs(_)
        | I::UnpackList(_)
        | I::Sub
        | I::Div
        | I::IntDiv
        | I::Rem
        | I::Pow
        | I::Neg
        | I::Not
        | I::Emit
        | I::PushLoop(_)
        | I::PushWith
        | I::Iterate(_)
        | I::PushDidNotIterate
        | I::PopFrame
        | I::PopLoopFrame
        | I::Jump(_)
        | I::JumpIfFalse(_)
        | I::JumpIfFalseOrPop(_)
        | I::JumpIfTrueOrPop(_)
        | I::BeginCapture(_)
        | I::EndCapture
        | I::CallFunction(..)
        | I::CallObject(_)
        | I::DupTop
        | I::DiscardTop
        | I::FastRecurse
        | I::Swap
        | I::BuildMacro(..)
        | I::Return
        | I::IsUndefined
        | I::Enclose(_)
        | I::GetClosure => new.push(old),
        I::UnpackLists(_)
        | I::MergeKwargs(_)
        | I::CompareAndPreserve(_)
        | I::PushAutoEscape
        | I::PopAutoEscape
        | I::FastSuper
        | I::CallBlock(_)
        | I::LoadBlocks
        | I::Include(_)
        | I::ExportLocals => return Err(unsupported("it does what no chat template needs")),
    }
    Ok(())
}
