/// A word that travels along Stages pipeline stages, each moved by its bit of `enable_i`.
module spacc_delay #(
  parameter int unsigned Width  = 1,
  parameter int unsigned Stages = 1
) (
  input  logic              clk_i,
  input  logic [Stages-1:0] enable_i,
  input  logic [Width-1:0]  in_data_i,
  output logic [Width-1:0]  out_data_o
);

  for (genvar s = 0; s < Stages; s++) begin : gen_stage
    logic [Width-1:0] data_q;
    if (s == 0) begin : gen_first
      always_ff @(posedge clk_i) if (enable_i[s]) data_q <= in_data_i;
    end else begin : gen_next
      always_ff @(posedge clk_i) if (enable_i[s]) data_q <= gen_stage[s-1].data_q;
    end
  end
  assign out_data_o = gen_stage[Stages-1].data_q;

endmodule
