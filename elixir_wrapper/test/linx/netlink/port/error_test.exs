defmodule Linx.Netlink.Port.ErrorTest do
  use ExUnit.Case, async: true

  alias Linx.Netlink.Port.Error

  defp message(stage, code, netns \\ {:name, "blue"}) do
    stage |> Error.new(code, netns, :route) |> Exception.message()
  end

  test "says which capability is missing to enter a namespace" do
    assert message(:setns, 1) =~
             "enter the network namespace \"blue\" (/run/netns/blue, /var/run/netns/blue)"

    assert message(:setns, 1) =~ "CAP_SYS_ADMIN"
  end

  test "says which capability is missing to look at a process" do
    assert message(:open, 13, {:pid, 7}) =~ "process 7"
    assert message(:open, 13, {:pid, 7}) =~ "CAP_SYS_PTRACE"
  end

  test "says which capability an option takes" do
    assert message(:setsockopt, 1) =~ "CAP_NET_ADMIN"
  end

  test "says what a file is not" do
    assert message(:setns, 22, "/etc/passwd") =~ "/etc/passwd: invalid argument (EINVAL)"
    assert message(:setns, 22, "/etc/passwd") =~ "not a network namespace"
  end

  test "says what to do about the port program" do
    assert message(:port, 2) =~ "mix compile"
    assert message(:port, 13) =~ "permission to execute"
    assert message(:port, 24) =~ "ulimit -n"
    assert message(:port, 32) =~ "it ended before it answered, and the log says how"
    refute message(:port, 32) =~ "next call"
    assert message(:port, 110) =~ "in time"
  end

  test "has a message for every stage and every error number" do
    for stage <- [
          :open,
          :setns,
          :userns,
          :fork,
          :socket,
          :setsockopt,
          :bind,
          :send,
          :thread,
          :port
        ],
        code <- [1, 2, 11, 13, 22, 24, 105, 4095],
        netns <- [nil, :host, {:pid, 1}, {:name, "a"}, {:path, "/a"}, "/a", <<255>>, ~c"/a"] do
      message = message(stage, code, netns)
      assert message =~ ~r/^could not \w+ .+: .+/
      assert String.valid?(message)
    end
  end

  test "says what an error number alone doesn't tell, and has the number all the same" do
    for {cause, code, errno, words} <- [
          {:no_server, 32, :epipe, "server is not running"},
          {:other_node, 22, :einval, "another node"},
          {:no_launcher, 2, :enoent, "launcher is not there"},
          {:bad_rendezvous, 13, :eacces, "0700"}
        ] do
      error = Error.new(:port, cause, "/a", :route)
      assert %Error{code: ^code, errno: ^errno, cause: ^cause} = error
      assert Exception.message(error) =~ words
      refute Exception.message(error) =~ "log"
    end
  end

  test "tells the limit of what was too long, and not all of it" do
    name = String.duplicate("n", 256)
    assert message(:open, 36, {:name, name}) =~ "a name has at most 255 bytes"
    path = String.duplicate("/", 100_000)
    assert message(:open, 36, path) =~ "a path has at most 4095 bytes"
    assert byte_size(message(:open, 36, path)) < 1_000
  end

  test "tells a path that was meant to be a name how a name is written" do
    assert message(:open, 2, "blue") =~ ~s(is {:name, "blue"})
    refute message(:open, 2, "./blue") =~ ":name"
    refute message(:open, 2, "/run/netns/blue") =~ ":name"
    refute message(:open, 2, "") =~ ":name"
  end

  test "tells of a group that there isn't" do
    assert message(:setsockopt, 22) =~ "no such group"
    other = Error.new(:setsockopt, 22, "/a", {:inet, :dgram, :udp})
    refute Exception.message(other) =~ "group"
  end

  test "is an exception" do
    assert_raise Error, ~r/could not open/, fn -> raise Error.new(:open, 2, "/a", 0) end
  end
end
