#!/usr/bin/env escript
%%! +S 1
%% The Erlang side of the oracle: runs scripts on OTP's own supervisor and answers what happened.
%%
%% It reads one Erlang term a line from standard input and answers with lines, the last a single dot.
%% Every line of a trace is written down by one process, the scribe, whom all others call and wait
%% for. Before it writes it looks who has died meanwhile, so an end always stands before what it
%% caused. Nobody sleeps: a step is over when every supervisor has answered, none has a child that is
%% dead or restarting, and nobody lives whom no supervisor knows.
-mode(compile).
-export([main/1, init/1, handle_call/3, handle_cast/2, handle_info/2, terminate/2, log/2]).
-export([start_idle/0, idle/0, start_worker/4, start_supervisor/5, start_slot/6, worker/5]).

%% How long a script may take: children that ignore their stop take some milliseconds each.
-define(PATIENCE, 30000).

main(_) ->
    ok = logger:remove_handler(default),
    ok = logger:add_handler(oracle, ?MODULE, #{}),
    ask_for_more().

ask_for_more() ->
    case io:get_line(standard_io, "") of
        % Who asked has gone.
        eof ->
            halt(0);
        {error, _} ->
            halt(0);
        Line ->
            {ok, Tokens, _} = erl_scan:string(Line),
            {ok, Term} = erl_parse:parse_term(Tokens),
            io:put_chars([[[L, $\n] || L <- answer(Term)], ".\n"]),
            ask_for_more()
    end.

answer(version) ->
    Release = erlang:system_info(otp_release),
    File = filename:join([code:root_dir(), "releases", Release, "OTP_VERSION"]),
    case file:read_file(File) of
        {ok, Version} -> [string:trim(Version)];
        {error, _} -> [Release]
    end;
answer({script, Reasons, Root, Fails, Events}) ->
    {Runner, Monitor} = spawn_monitor(fun() -> exit({trace, run(Reasons, Root, Fails, Events)}) end),
    receive
        {'DOWN', Monitor, process, Runner, {trace, Trace}} -> Trace;
        {'DOWN', Monitor, process, Runner, Fault} -> [io_lib:format("fault ~0p", [Fault])]
    after ?PATIENCE ->
        exit(Runner, kill),
        ["hangs"]
    end;
answer({check, Flags, Children}) ->
    process_flag(trap_exit, true),
    Auto = maps:get(auto_shutdown, Flags, never),
    Specs = [Child#{start => {?MODULE, start_idle, []}} || Child <- Children],
    Checked = case supervisor:check_childspecs(Specs, Auto) of
        ok -> "accepted";
        {error, _} -> "refused"
    end,
    [
        ["check_childspecs ", Checked],
        ["start ", boot(Flags, Specs)]
        | case maps:get(strategy, Flags) of
            simple_one_for_one -> [];
            _ -> [["start_child ", start_each(Flags, Specs)]]
        end
    ];
answer(tolerated) ->
    process_flag(trap_exit, true),
    Child = #{id => a, start => {?MODULE, start_idle, []}},
    {ok, Root} = supervisor:start_link(?MODULE, {flags, #{}, [Child]}),
    [integer_to_list(tolerated(Root, 0))].

%% The verdicts of the spec matrix.

boot(Flags, Specs) ->
    case supervisor:start_link(?MODULE, {flags, Flags, Specs}) of
        {ok, Root} -> put_down(Root), "accepted";
        {error, _} -> "refused"
    end.

start_each(Flags, Specs) ->
    case supervisor:start_link(?MODULE, {flags, Flags, []}) of
        {ok, Root} ->
            Refused = [Error || Spec <- Specs, {error, Error} <- [supervisor:start_child(Root, Spec)]],
            put_down(Root),
            case Refused of
                [] -> "accepted";
                _ -> "refused"
            end;
        {error, _} ->
            "refused"
    end.

put_down(Pid) ->
    exit(Pid, shutdown),
    receive
        {'EXIT', Pid, _} -> ok
    end.

%% How many kills of its one child a supervisor survives.
tolerated(Root, Kills) ->
    [{a, Pid, _, _}] = supervisor:which_children(Root),
    exit(Pid, kill),
    ended(Pid),
    case catch supervisor:which_children(Root) of
        [_] -> tolerated(Root, Kills + 1);
        _ -> Kills
    end.

start_idle() -> {ok, spawn_link(?MODULE, idle, [])}.

idle() ->
    receive
        never -> ok
    end.

%% A script.

run(Reasons, Root, Fails, Events) ->
    process_flag(trap_exit, true),
    Scribe = spawn_link(fun() -> scribe(#{}, #{}, #{}, []) end),
    put(scribe, Scribe),
    [call({fail, Name, Times}) || {Name, Times} <- Fails],
    case start_supervisor(Scribe, Reasons, "", "root", Root) of
        {ok, Pid} ->
            {alive, Shape} = settled(Pid),
            write(["= ", Shape]),
            steps(Pid, Reasons, Events);
        {error, Reason} ->
            write(["refused ", culprit(Reason)])
    end,
    all_dead(),
    call(trace).

culprit({shutdown, {failed_to_start_child, Name, Reason}}) ->
    case culprit(Reason) of
        "" -> Name;
        Below -> Below
    end;
culprit(_) ->
    "".

steps(Root, _, []) ->
    write("step stop"),
    exit(Root, shutdown),
    ended(Root);
steps(Root, Reasons, [Event | Events]) ->
    write(io_lib:format("step ~s", [element(1, Event)])),
    Answer = step(Root, Reasons, Event),
    case settled(Root) of
        {alive, Shape} ->
            write(["-> ", Answer]),
            write(["= ", Shape]),
            steps(Root, Reasons, Events);
        dead ->
            ended(Root)
    end.

ended(Root) ->
    Monitor = monitor(process, Root),
    receive
        {'DOWN', Monitor, process, Root, _} -> ok
    end.

step(_, _, {die, Name, Reason}) ->
    told(Name, fun(Pid) -> Pid ! {die, Reason}, ended(Pid) end);
step(_, _, {kill, Name}) ->
    told(Name, fun(Pid) -> write(["kill ", Name]), exit(Pid, kill), ended(Pid) end);
step(_, _, {halt, Name}) ->
    told(Name, fun(Pid) -> write(["halt ", Name]), catch gen_server:stop(Pid, shutdown, infinity) end);
step(Root, _, {meanwhile, First, Held, Deaths}) ->
    call({hold, Held}),
    Answer = told(First, fun(Pid) -> Pid ! {die, boom}, ended(Pid) end),
    case Answer =:= "ok" andalso is_held(Root) of
        true -> [told(Name, fun(Pid) -> Pid ! {die, R}, ended(Pid) end) || {Name, R} <- Deaths];
        false -> ok
    end,
    call(release),
    Answer;
step(_, _, {fail, Name, Times}) ->
    call({fail, Name, Times}),
    "ok";
step(_, Reasons, {start, Of, Child}) ->
    asked(Of, fun(Pid) -> supervisor:start_child(Pid, spec(get(scribe), Reasons, Of, Child)) end);
step(_, _, {start_slot, Of}) ->
    asked(Of, fun(Pid) ->
        Slot = free_slot(Pid, 0),
        case supervisor:start_child(Pid, [Slot]) of
            {ok, _} -> integer_to_list(Slot);
            Refused -> Refused
        end
    end);
step(_, _, {terminate, Of, Id}) ->
    asked(Of, fun(Pid) -> supervisor:terminate_child(Pid, Id) end);
step(_, _, {terminate_slot, Of, Slot}) ->
    asked(Of, fun(Pid) ->
        case in_slot(Pid, Slot) of
            none -> {error, not_found};
            Child -> supervisor:terminate_child(Pid, Child)
        end
    end);
step(_, _, {restart, Of, Id}) ->
    asked(Of, fun(Pid) -> supervisor:restart_child(Pid, Id) end);
step(_, _, {delete, Of, Id}) ->
    asked(Of, fun(Pid) -> supervisor:delete_child(Pid, Id) end);
step(_, _, {count, Of}) ->
    asked(Of, fun(Pid) ->
        Counts = supervisor:count_children(Pid),
        lists:join(" ", [
            integer_to_list(proplists:get_value(Key, Counts))
         || Key <- [specs, active, supervisors, workers]
        ])
    end).

told(Name, Do) ->
    case call({pid, Name}) of
        none -> "absent";
        Pid -> Do(Pid), "ok"
    end.

%% Whether the start that is held up was come to, once nothing else goes on. The supervisor then waits
%% for it, and answers nobody.
is_held(Root) -> is_held(Root, gen_server:send_request(Root, which_children)).

is_held(Root, Request) ->
    case {call(waits), gen_server:wait_response(Request, 0)} of
        {true, _} -> true;
        {false, timeout} -> erlang:yield(), is_held(Root, Request);
        {false, {error, _}} -> false;
        {false, {reply, Children}} ->
            Busy = [
                Pid
             || {_, Pid, _, _} <- Children,
                Pid =:= restarting orelse is_pid(Pid) andalso not is_process_alive(Pid)
            ],
            Busy =/= [] andalso is_held(Root)
    end.

asked(Name, Ask) ->
    case call({pid, Name}) of
        none -> "absent";
        Pid -> answered(catch Ask(Pid))
    end.

answered(ok) -> "ok";
answered({ok, _}) -> "ok";
answered({error, {already_started, _}}) -> "already started";
answered({error, already_present}) -> "already present";
answered({error, running}) -> "running";
answered({error, restarting}) -> "restarting";
answered({error, not_found}) -> "not found";
answered({error, simple_one_for_one}) -> "from a template";
answered({error, {boom, _}}) -> "start failed";
answered({error, boom}) -> "start failed";
answered({error, {{shutdown, {failed_to_start_child, _, _}}, _}}) -> "start failed";
answered({error, {shutdown, {failed_to_start_child, _, _}}}) -> "start failed";
answered({error, {bad_combination, _}}) -> "refused";
answered({error, {invalid_significant, _}}) -> "refused";
answered({'EXIT', _}) -> "gone";
answered(Text) when is_list(Text) -> Text;
answered(Other) -> io_lib:format("~0p", [Other]).

%% The slots of a simple_one_for_one supervisor are ours: OTP knows its children by pid alone.

free_slot(Pid, Slot) ->
    case in_slot(Pid, Slot) of
        none -> Slot;
        _ -> free_slot(Pid, Slot + 1)
    end.

in_slot(Of, Slot) ->
    Children = [Pid || {_, Pid, _, _} <- supervisor:which_children(Of)],
    case [Pid || Pid <- Children, slot(call({name, Pid})) =:= integer_to_list(Slot)] of
        [Pid] -> Pid;
        [] -> none
    end.

slot(Name) -> tl(lists:last(string:split(Name, "/", all))).

%% When nothing goes on any more, how all are: in order of start, `+` up, `-` down.

settled(Root) ->
    try shape(Root) of
        {Shape, Pids} ->
            case call(alive) -- [Root | Pids] of
                [] -> {alive, Shape};
                _ -> again(Root)
            end
    catch
        % One is dead or restarting, or a supervisor ended when it was asked.
        throw:busy -> again(Root);
        exit:_ -> again(Root)
    end.

again(Root) ->
    erlang:yield(),
    case is_process_alive(Root) of
        true -> settled(Root);
        false -> dead
    end.

shape(Supervisor) ->
    Children = lists:reverse(supervisor:which_children(Supervisor)),
    Named = [{name_of(Child), Child} || Child <- Children],
    Sorted = case Named of
        [{_, {undefined, _, _, _}} | _] -> lists:sort(Named);
        _ -> Named
    end,
    {Shapes, Pids} = lists:unzip([of_child(Name, Child) || {Name, Child} <- Sorted]),
    {lists:join(" ", Shapes), lists:append(Pids)}.

name_of({undefined, Pid, _, _}) -> call({name, Pid});
name_of({Name, _, _, _}) -> Name.

of_child(_, {_, restarting, _, _}) ->
    throw(busy);
of_child(Name, {_, undefined, _, _}) ->
    {[Name, "-"], []};
of_child(Name, {_, Pid, Type, _}) ->
    is_process_alive(Pid) orelse throw(busy),
    case Type of
        worker ->
            {[Name, "+"], [Pid]};
        supervisor ->
            {Below, Pids} = shape(Pid),
            {[Name, "+(", Below, ")"], [Pid | Pids]}
    end.

all_dead() ->
    case call(alive) of
        [] -> ok;
        [Pid | _] -> ended(Pid), all_dead()
    end.

%% Children. A start runs in the supervisor's own process, as OTP has it.

spec(Scribe, Reasons, Of, {Id, Restart, Shutdown, Significant, Kind}) ->
    Name = below(Of, Id),
    Start = case Kind of
        {worker, OnStop} -> {start_worker, [Scribe, Name, OnStop, none]};
        {supervisor, Below} -> {start_supervisor, [Scribe, Reasons, Of, Name, Below]}
    end,
    {Function, Args} = Start,
    #{
        id => Name,
        start => {?MODULE, Function, Args},
        restart => Restart,
        shutdown => Shutdown,
        significant => Significant,
        type => element(1, Kind)
    }.

template(Scribe, Reasons, Of, {Id, Restart, Shutdown, Significant, Kind}) ->
    #{
        id => Id,
        start => {?MODULE, start_slot, [Scribe, Reasons, Of, Id, Kind]},
        restart => Restart,
        shutdown => Shutdown,
        significant => Significant,
        type => element(1, Kind)
    }.

start_slot(Scribe, Reasons, Of, Id, Kind, Slot) ->
    Name = below(Of, Id ++ integer_to_list(Slot)),
    case Kind of
        {worker, OnStop} -> start_worker(Scribe, Name, OnStop, none);
        {supervisor, Below} -> start_supervisor(Scribe, Reasons, Of, Name, Below)
    end.

below("root", Id) -> Id;
below(Of, Id) -> Of ++ "/" ++ Id.

start_worker(Scribe, Name, OnStop, none) ->
    case call(Scribe, {may_start, Name}) of
        true ->
            {ok, Pid} = proc_lib:start_link(?MODULE, worker, [Scribe, Name, OnStop, self(), init]),
            call(Scribe, {started, Name, Pid}),
            {ok, Pid};
        false ->
            {error, boom}
    end.

worker(Scribe, Name, OnStop, Supervisor, init) ->
    process_flag(trap_exit, true),
    proc_lib:init_ack({ok, self()}),
    worker(Scribe, Name, OnStop, Supervisor, running);
worker(Scribe, Name, OnStop, Supervisor, running) ->
    receive
        {die, Reason} ->
            call(Scribe, {write, ["die ", Name]}),
            exit(Reason);
        {'EXIT', Supervisor, shutdown} when OnStop =:= ignore ->
            % Not a word: its time is short, and what it says in it would depend on the machine.
            worker(Scribe, Name, OnStop, Supervisor, running);
        {'EXIT', Supervisor, shutdown} ->
            call(Scribe, {write, ["stop ", Name]}),
            case OnStop of
                obey -> exit(shutdown);
                fail -> exit(boom)
            end;
        {'EXIT', Supervisor, Reason} ->
            exit(Reason)
    end.

start_supervisor(Scribe, Reasons, _, Name, Below) ->
    Args = {tree, Scribe, Reasons, Name, Below},
    Started = case Reasons of
        translated when Name =/= "root" -> gen_server:start_link(?MODULE, {translated, Args}, []);
        _ -> supervisor:start_link(?MODULE, Args)
    end,
    case Started of
        {ok, Pid} -> call(Scribe, {started, Name, Pid});
        {error, _} when Name =:= "root" -> ok;
        {error, _} -> call(Scribe, {write, ["fail ", Name]})
    end,
    Started.

%% The callback of a supervisor, and that of one whose reason is translated (the difference I8): it
%% is OTP's own supervisor but for the reason it ends of when it has given up.

init({flags, Flags, Specs}) ->
    {ok, {Flags, Specs}};
init({tree, Scribe, Reasons, Name, {Strategy, Intensity, Auto, Children}}) ->
    put(scribe, Scribe),
    put(name, Name),
    Flags = #{strategy => Strategy, intensity => Intensity, period => 86400, auto_shutdown => Auto},
    Spec = case Strategy of
        simple_one_for_one -> fun template/4;
        _ -> fun spec/4
    end,
    {ok, {Flags, [Spec(Scribe, Reasons, Name, Child) || Child <- Children]}};
init({translated, Args}) ->
    supervisor:init({self, ?MODULE, Args}).

handle_call(Request, From, State) -> translated(supervisor:handle_call(Request, From, State)).
handle_cast(Request, State) -> translated(supervisor:handle_cast(Request, State)).
handle_info(Message, State) -> translated(supervisor:handle_info(Message, State)).
terminate(Reason, State) -> supervisor:terminate(Reason, State).

translated({stop, shutdown, State}) ->
    case get(gave_up) of
        true -> {stop, gave_up, State};
        undefined -> {stop, shutdown, State}
    end;
translated(Answer) ->
    Answer.

%% OTP's reports, in the process of the supervisor that makes them. Of these only the one tells what
%% no reason does: that a supervisor gave up.
log(#{msg := {report, #{label := {supervisor, shutdown}}}}, _) ->
    put(gave_up, true),
    get(scribe) =:= undefined orelse write(["gave up ", get(name)]),
    ok;
log(_, _) ->
    ok.

%% The scribe.

write(Line) -> call({write, Line}).

call(Request) -> call(get(scribe), Request).

call(Scribe, Request) ->
    Ref = make_ref(),
    Scribe ! {Ref, self(), Request},
    receive
        {Ref, Answer} -> Answer
    end.

%% `Alive` is by monitor, `Names` by name; a name is its newest bearer's.
scribe(Alive, Names, Fails, Lines) ->
    receive
        {'DOWN', Monitor, process, Pid, Reason} ->
            bury(Monitor, Pid, Reason, Alive, Names, Fails, Lines);
        {_, _, {may_start, Held}} = Request when map_get(held, Fails) =:= Held ->
            % It is not answered before it is let go.
            scribe(Alive, Names, Fails#{waits => Request}, Lines);
        {Ref, From, Request} ->
            case lists:all(fun({_, Pid}) -> is_process_alive(Pid) end, maps:values(Alive)) of
                true ->
                    {Answer, Alive1, Names1, Fails1, Lines1} =
                        entry(Request, Alive, Names, Fails, Lines),
                    From ! {Ref, Answer},
                    scribe(Alive1, Names1, Fails1, Lines1);
                false ->
                    % Ends first, in the order in which they are told.
                    self() ! {Ref, From, Request},
                    receive
                        {'DOWN', Monitor, process, Pid, Reason} ->
                            bury(Monitor, Pid, Reason, Alive, Names, Fails, Lines)
                    end
            end
    end.

bury(Monitor, Pid, Reason, Alive, Names, Fails, Lines) ->
    {Name, Pid} = maps:get(Monitor, Alive),
    Left = case Names of
        #{Name := Pid} -> maps:remove(Name, Names);
        _ -> Names
    end,
    Line = io_lib:format("end ~s ~0p", [Name, Reason]),
    scribe(maps:remove(Monitor, Alive), Left, Fails, [Line | Lines]).

entry({write, Line}, Alive, Names, Fails, Lines) ->
    {ok, Alive, Names, Fails, [Line | Lines]};
entry({fail, Name, Times}, Alive, Names, Fails, Lines) ->
    {ok, Alive, Names, Fails#{Name => Times}, Lines};
entry({hold, Name}, Alive, Names, Fails, Lines) ->
    {ok, Alive, Names, Fails#{held => Name}, Lines};
entry(waits, Alive, Names, Fails, Lines) ->
    {is_map_key(waits, Fails), Alive, Names, Fails, Lines};
entry(release, Alive, Names, Fails, Lines) ->
    case Fails of
        #{waits := Request} -> self() ! Request;
        _ -> ok
    end,
    {ok, Alive, Names, maps:without([held, waits], Fails), Lines};
entry({may_start, Name}, Alive, Names, Fails, Lines) ->
    case Fails of
        #{Name := Times} when Times > 0 ->
            {false, Alive, Names, Fails#{Name := Times - 1}, [["fail ", Name] | Lines]};
        _ ->
            {true, Alive, Names, Fails, Lines}
    end;
entry({started, Name, Pid}, Alive, Names, Fails, Lines) ->
    {ok, Alive#{monitor(process, Pid) => {Name, Pid}}, Names#{Name => Pid}, Fails,
        [["start ", Name] | Lines]};
entry({pid, Name}, Alive, Names, Fails, Lines) ->
    {maps:get(Name, Names, none), Alive, Names, Fails, Lines};
entry({name, Pid}, Alive, Names, Fails, Lines) ->
    Found = [Name || {Name, P} <- maps:to_list(Names), P =:= Pid],
    {hd(Found ++ ["?"]), Alive, Names, Fails, Lines};
entry(alive, Alive, Names, Fails, Lines) ->
    {[Pid || {_, Pid} <- maps:values(Alive)], Alive, Names, Fails, Lines};
entry(trace, Alive, Names, Fails, Lines) ->
    {lists:reverse(Lines), Alive, Names, Fails, Lines}.
