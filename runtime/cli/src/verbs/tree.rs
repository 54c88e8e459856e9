//! `tree`: the supervision tree, drawn.

use owo_colors::{OwoColorize as _, Style};
use whirlwind::{TreeKind, TreeNode};

use super::ps::state_style;
use crate::args::Global;
use crate::client::Client;
use crate::exit::Ended;
use crate::print::{self, printable};

pub(crate) async fn run(global: &Global) -> Ended {
    let mut client = Client::connect(global).await?;
    if global.json {
        return print::json_line(&client.get("/v1/tree").await?);
    }
    let roots: Vec<TreeNode> = client.get_json("/v1/tree").await?;
    let mut lines = Vec::new();
    for root in &roots {
        draw(root, "", "", &mut lines);
    }
    // The words stand in a column of their own, right of the deepest name.
    let width = lines.iter().map(Line::width).max().unwrap_or(0);
    let text: String = lines.iter().map(|line| line.render(width)).collect();
    print::out(&text)
}

/// A line of the drawing.
struct Line<'t> {
    branch: String,
    node: &'t TreeNode,
}

impl Line<'_> {
    fn width(&self) -> usize {
        self.branch.chars().count() + printable(&self.node.name).chars().count()
    }

    fn render(&self, width: usize) -> String {
        let Self { branch, node } = self;
        let pad = " ".repeat(width.saturating_sub(self.width()));
        let name = printable(&node.name);
        let mut words = node.kind.as_str().to_owned();
        if let Some(strategy) = &node.strategy {
            words.push_str(&format!(", {}", printable(strategy)));
        }
        if node.restarts > 0 {
            let times = if node.restarts == 1 {
                "restart"
            } else {
                "restarts"
            };
            words.push_str(&format!(
                ", {}",
                format_args!("{} {times}", node.restarts).yellow()
            ));
        }
        let bold = if node.kind == TreeKind::Supervisor {
            Style::new().bold()
        } else {
            Style::new()
        };
        format!(
            "{}{}{pad}  {}  {words}\n",
            branch.dimmed(),
            name.style(bold),
            node.state.as_str().style(state_style(node.state))
        )
    }
}

/// `own` stands before the node's name, `below` before those of its children.
fn draw<'t>(node: &'t TreeNode, own: &str, below: &str, lines: &mut Vec<Line<'t>>) {
    lines.push(Line {
        branch: own.to_owned(),
        node,
    });
    let last = node.children.len().saturating_sub(1);
    for (index, child) in node.children.iter().enumerate() {
        let (branch, beside) = if index == last {
            ("└─ ", "   ")
        } else {
            ("├─ ", "│  ")
        };
        draw(
            child,
            &format!("{below}{branch}"),
            &format!("{below}{beside}"),
            lines,
        );
    }
}
