"""Partially observable Monte-Carlo planning: a search tree over histories (Silver and Veness 2010).

A simulation samples a state from the root's belief and descends, in each node by the action with
the largest

    Q(h, a) + c sqrt(log N(h) / N(h, a))

(UCB1: Auer, Cesa-Bianchi and Fischer 2002; Kocsis and Szepesvari 2006), until it leaves the tree.
There it adds a node and evaluates it by a rollout, or by the values of a policy. On the way back
every Q(h, a) becomes the mean of the discounted returns. A simulation ends after `Plan.depth` steps
or in a terminal state; a search ends with the last simulation or when the tree is full.

Tree.i: number of nodes, capacity, number of actions, size of the hash table, the table. Tree.f has
a row for each node: visits N(h); key, (row of its parent's action) * observations + observation;
then N(h, a) and Q(h, a) of each action.

Plan.guide is the graph of the rollout policy:
    GUIDES, GUIDE, REPEATED  number of nodes, node at the root, action where the graph has none
    each node's              action; block; first of its values in Plan.values
    nodes x observations     successor
    each state's             block; index there
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from pomdptool.kernels.jit import kernel
from pomdptool.kernels.simulation.random import uniform
from pomdptool.kernels.simulation.simulator import (
    N_ACTIONS,
    N_OBSERVATIONS,
    N_STATES,
    TERMINAL,
    observation_probability,
    sample_index,
    step,
)

NONE = -1

N_NODES, CAPACITY, WIDTH, TABLE_SIZE = range(4)
TREE_HEADER = 4
VISITS, KEY = range(2)
NODE = 2

# How leaf nodes are evaluated: by a rollout of random actions, by a value for each state, by a
# rollout of the policy in Plan.guide, followed from the root on, or by the values of its nodes.
UNIFORM, VALUES, CONTROLLER, NODE_VALUES = range(4)

GUIDES, GUIDE, REPEATED = range(3)
GUIDE_HEADER = 3


class Tree(NamedTuple):
    """A search tree over histories."""

    i: np.ndarray
    f: np.ndarray

    @property
    def read_by_number(self) -> bool:
        """Interpreted kernels read the arrays number by number."""
        return True


class Plan(NamedTuple):
    """Settings of a search.

    The discount; the exploration constant c; the depth limit; how leaf nodes are evaluated, with
    the rollout policy's graph and the values of its nodes or of states; visits that the actions of
    a new node start with, shape (A,), and values, shape (A,) or (S * A,). With NODE_VALUES, the
    last S values are those of repeating the action REPEATED.
    """

    discount: float
    exploration: float
    depth: int
    rollout: int
    guide: np.ndarray
    values: np.ndarray
    prior_visits: np.ndarray
    prior_values: np.ndarray


@kernel(inner=True)
def slot_of(tree, key):
    """Hash table slot of the node with a key, or the free slot for it."""
    mask, width = tree.i[TABLE_SIZE] - 1, NODE + 2 * tree.i[WIDTH]
    h = ((key * 0x1E3779B97F4A7C15 & 0x7FFFFFFFFFFFFFFF) >> 20) & mask
    while True:
        n = tree.i[TREE_HEADER + h]
        if n == NONE or tree.f[n * width + KEY] == key:
            return TREE_HEADER + h
        h = (h + 1) & mask


@kernel(inner=True)
def add_node(tree, key, slot, plan, s):
    """Add a node, whose actions start with the prior visits and values of the state."""
    n = tree.i[N_NODES]
    node = n * (NODE + 2 * tree.i[WIDTH])
    tree.i[N_NODES] += 1
    tree.i[slot], tree.f[node + KEY] = n, key
    visits, first = 0.0, s * tree.i[WIDTH] % plan.prior_values.shape[0]
    for a in range(tree.i[WIDTH]):
        tree.f[node + NODE + 2 * a] = plan.prior_visits[a]
        tree.f[node + NODE + 2 * a + 1] = plan.prior_values[first + a]
        visits += plan.prior_visits[a]
    tree.f[node + VISITS] = visits


@kernel(inner=True)
def ucb_action(tree, n, exploration):
    """Action of a node with the largest upper confidence bound; untried actions come first."""
    node = n * (NODE + 2 * tree.i[WIDTH])
    log = np.log(tree.f[node + VISITS]) if tree.f[node + VISITS] > 0.0 else 0.0
    best, action = -np.inf, 0
    for a in range(tree.i[WIDTH]):
        visits = tree.f[node + NODE + 2 * a]
        if visits == 0.0:
            return a
        value = tree.f[node + NODE + 2 * a + 1] + exploration * np.sqrt(log / visits)
        if value > best:
            best, action = value, a
    return action


@kernel(inner=True)
def next_guide_node(m, plan, node, a, o, arrived):
    """Node of the rollout policy's graph after a step; NONE where the graph has no successor.

    If the action differs from the node's, the node stays, as long as its block has the state.
    """
    if node == NONE:
        return NONE
    guides = plan.guide[GUIDES]
    if a == plan.guide[GUIDE_HEADER + node]:
        return plan.guide[GUIDE_HEADER + 3 * guides + node * m.i[N_OBSERVATIONS] + o]
    block = GUIDE_HEADER + guides * (3 + m.i[N_OBSERVATIONS]) + arrived
    return node if plan.guide[block] == plan.guide[GUIDE_HEADER + guides + node] else NONE


@kernel(inner=True)
def leaf_value(m, plan, s, node, depth, rng):
    """Estimate of the discounted return from a state and a node of the rollout policy's graph."""
    n_states, n_actions = m.i[N_STATES], m.i[N_ACTIONS]
    if plan.rollout == VALUES:
        return plan.values[s]
    if plan.rollout == NODE_VALUES:
        if node == NONE:
            return plan.values[plan.values.shape[0] - n_states + s]
        guides = plan.guide[GUIDES]
        place = GUIDE_HEADER + guides * (3 + m.i[N_OBSERVATIONS]) + n_states + s
        return plan.values[plan.guide[GUIDE_HEADER + 2 * guides + node] + plan.guide[place]]
    total, weight = 0.0, 1.0
    while depth < plan.depth and m.i[m.i[TERMINAL] + s] == 0:
        u = uniform(rng)
        if plan.rollout == UNIFORM:
            # The rest of u, rescaled to [0, 1), samples the step.
            a = int(u * n_actions)
            u = u * n_actions - a
        elif node == NONE:
            a = plan.guide[REPEATED]
        else:
            a = plan.guide[GUIDE_HEADER + node]
        s, o, r = step(m, s, a, u)
        if plan.rollout == CONTROLLER:
            node = next_guide_node(m, plan, node, a, o, s)
        total += weight * r
        weight *= plan.discount
        depth += 1
    return total


@kernel(nogil=True)
def search(m, tree, states, sums, plan, path, returns, sims, rng):
    """Run simulations from the root, node 0, until `sims` are done or the tree is full; how many.

    The root's belief are the particles `states`, weighted by the running sums `sums`, or equally if
    these are empty. `path` and `returns`, shape (plan.depth,), are scratch.
    """
    n_actions, n_observations = tree.i[WIDTH], m.i[N_OBSERVATIONS]
    width = NODE + 2 * n_actions
    for sim in range(sims):
        if tree.i[N_NODES] == tree.i[CAPACITY]:
            return sim
        if sums.shape[0] > 0:
            s = states[sample_index(sums, 0, sums.shape[0] - 1, uniform(rng))]
        else:
            s = states[int(uniform(rng) * states.shape[0])]
        n, depth, total, guide = 0, 0, 0.0, plan.guide[GUIDE]
        while depth < plan.depth and m.i[m.i[TERMINAL] + s] == 0:
            a = ucb_action(tree, n, plan.exploration)
            s, o, r = step(m, s, a, uniform(rng))
            path[depth], returns[depth] = n * n_actions + a, r
            depth += 1
            guide = next_guide_node(m, plan, guide, a, o, s)
            slot = slot_of(tree, path[depth - 1] * n_observations + o)
            n = tree.i[slot]
            if n == NONE:
                add_node(tree, path[depth - 1] * n_observations + o, slot, plan, s)
                total = leaf_value(m, plan, s, guide, depth, rng)
                break
        for d in range(depth - 1, -1, -1):
            total = returns[d] + plan.discount * total
            node = (path[d] // n_actions) * width
            action = node + NODE + 2 * (path[d] % n_actions)
            tree.f[node + VISITS] += 1.0
            tree.f[action] += 1.0
            tree.f[action + 1] += (total - tree.f[action + 1]) / tree.f[action]
    return sims


@kernel(nogil=True)
def clear(tree, plan, s):
    """Reset the tree to a root, whose actions start with the prior of a state."""
    for k in range(tree.i[TABLE_SIZE]):
        tree.i[TREE_HEADER + k] = NONE
    tree.i[N_NODES] = 0
    add_node(tree, NONE, slot_of(tree, NONE), plan, s)


@kernel(nogil=True)
def rehash(tree):
    """Enter every node into an empty hash table."""
    for n in range(tree.i[N_NODES]):
        tree.i[slot_of(tree, int(tree.f[n * (NODE + 2 * tree.i[WIDTH]) + KEY]))] = n


@kernel(nogil=True)
def follow(tree, a, o, n_observations, place, plan, s):
    """Make the child after an action and an observation the root, and keep its subtree.

    `place`, one entry a node, is scratch. Returns whether the child existed; if not, the tree is
    reset.
    """
    n_actions, n_nodes = tree.i[WIDTH], tree.i[N_NODES]
    width = NODE + 2 * n_actions
    root = tree.i[slot_of(tree, a * n_observations + o)]
    if root == NONE:
        clear(tree, plan, s)
        return False
    for k in range(tree.i[TABLE_SIZE]):
        tree.i[TREE_HEADER + k] = NONE
    kept = 0
    # Parents precede their children, and no node moves to a larger number than its own.
    for n in range(n_nodes):
        key, place[n] = int(tree.f[n * width + KEY]), NONE
        if n == root:
            key = NONE
        elif n < root:
            continue
        else:
            row = key // n_observations
            parent = place[row // n_actions]
            if parent == NONE:
                continue
            key = (parent * n_actions + row % n_actions) * n_observations + key % n_observations
        for k in range(width):
            tree.f[kept * width + k] = tree.f[n * width + k]
        tree.f[kept * width + KEY] = key
        tree.i[slot_of(tree, key)] = kept
        place[n] = kept
        kept += 1
    tree.i[N_NODES] = kept
    return True


@kernel(nogil=True)
def update_particles(m, particles, a, o, after, attempts, rng):
    """Rejection sampling of the belief after an observation; returns the number of particles.

    Each attempt samples a particle and a step, and keeps the next state if the observations agree.
    """
    count = 0
    for _ in range(attempts):
        if count == after.shape[0]:
            break
        s = particles[int(uniform(rng) * particles.shape[0])]
        arrived, observed, _ = step(m, s, a, uniform(rng))
        if observed == o:
            after[count] = arrived
            count += 1
    return count


@kernel(nogil=True)
def weigh_particles(m, particles, a, o, arrived, weights, rng):
    """Importance sampling: step particles, weighted by the observation's probability; the sum."""
    total = 0.0
    for k in range(arrived.shape[0]):
        s = particles[int(uniform(rng) * particles.shape[0])]
        arrived[k], _, _ = step(m, s, a, uniform(rng))
        weights[k] = observation_probability(m, a, arrived[k], o)
        total += weights[k]
    return total
