//! One row of the route table: what the router and the document both need to know.

use std::sync::Arc;

use axum::handler::Handler;
use axum::routing::{MethodFilter, MethodRouter, on};
use domain::Kind;
use schemars::{JsonSchema, Schema, SchemaGenerator};

use crate::world::World;

/// Makes a type's schema, or a reference to it.
pub(crate) type SchemaOf = fn(&mut SchemaGenerator) -> Schema;

/// The methods that the API uses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Method {
    Get,
    Post,
    Patch,
    Delete,
}

impl Method {
    /// Its name in an OpenAPI document.
    pub(crate) const fn key(self) -> &'static str {
        match self {
            Self::Get => "get",
            Self::Post => "post",
            Self::Patch => "patch",
            Self::Delete => "delete",
        }
    }

    const fn filter(self) -> MethodFilter {
        match self {
            Self::Get => MethodFilter::GET,
            Self::Post => MethodFilter::POST,
            Self::Patch => MethodFilter::PATCH,
            Self::Delete => MethodFilter::DELETE,
        }
    }
}

/// One answer that is no error.
pub(crate) struct Answer {
    pub status: u16,
    pub meaning: &'static str,
    pub schema: SchemaOf,
}

/// One route.
pub(crate) struct Route {
    pub method: Method,
    /// Path with `{parameters}`, in the form that axum and OpenAPI share.
    pub path: &'static str,
    /// The operation's id.
    pub id: &'static str,
    pub summary: &'static str,
    /// Whether it needs no token.
    pub open: bool,
    pub query: Option<SchemaOf>,
    pub body: Option<SchemaOf>,
    pub answers: Vec<Answer>,
    /// The kinds of problem that are its own, beside those that any route can have.
    pub problems: &'static [Kind],
    pub handler: MethodRouter<Arc<World>>,
}

impl Route {
    pub(crate) fn new<H, T>(
        method: Method,
        path: &'static str,
        id: &'static str,
        summary: &'static str,
        handler: H,
    ) -> Self
    where
        H: Handler<T, Arc<World>>,
        T: 'static,
    {
        let handler = on(method.filter(), handler);
        let (query, body, answers, problems) = (None, None, Vec::new(), [].as_slice());
        Self { method, path, id, summary, open: false, query, body, answers, problems, handler }
    }

    /// Needs no token.
    pub(crate) const fn open(mut self) -> Self {
        self.open = true;
        self
    }

    /// Takes these parameters in the query.
    pub(crate) fn query<Q: JsonSchema>(mut self) -> Self {
        self.query = Some(SchemaGenerator::subschema_for::<Q>);
        self
    }

    /// Takes this body.
    pub(crate) fn takes<B: JsonSchema>(mut self) -> Self {
        self.body = Some(SchemaGenerator::subschema_for::<B>);
        self
    }

    /// Answers so when all is well.
    pub(crate) fn gives<T: JsonSchema>(mut self, status: u16, meaning: &'static str) -> Self {
        self.answers.push(Answer { status, meaning, schema: SchemaGenerator::subschema_for::<T> });
        self
    }

    /// Can have these problems.
    pub(crate) const fn fails(mut self, problems: &'static [Kind]) -> Self {
        self.problems = problems;
        self
    }
}
